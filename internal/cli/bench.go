// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/bench"
	"github.com/tapir-vm/tapir/bench/report"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	quick            bool
	datapaths, loads []string
	results          string
}

func benchCommand() *cobra.Command {
	o := benchOptions{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure Tapir's datapath beside KubeVirt's and Kata's on this machine",
		Long: `Bench builds each datapath in network namespaces of its own, drives the same loads through all of them,
round by round in turn, and prints medians with their smallest and largest sample, and ratios. A figure whose
rounds disagree is called unsteady instead. Everything it made is gone when it ends.

Progress goes to standard error. Ctrl-C ends it: what is there by then is printed and marked as partial.`,
		Example: `  tapir bench --quick
  tapir bench --load udp-in,udp-out --datapath tapir-tc,kubevirt-masquerade
  tapir bench --results bench/results`,
		Args: cobra.NoArgs,
	}
	out := outputFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.quick, "quick", false, "what the targets are about, in short rounds: under 2 minutes instead of 30")
	f.StringSliceVar(&o.datapaths, "datapath", nil, "datapaths to measure (default: those that a load is about), of "+names(bench.Datapaths()))
	f.StringSliceVar(&o.loads, "load", nil, "loads to apply (default: all)")
	f.StringVar(&o.results, "results", "", "directory to keep the results in too, as JSON, CSV and a page with charts")
	_ = cmd.MarkFlagDirname("results")
	_ = cmd.RegisterFlagCompletionFunc("datapath", completeNames(bench.Datapaths()))
	_ = cmd.RegisterFlagCompletionFunc("load", completeNames(bench.Full()))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd, *out) }
	cmd.AddCommand(benchCompareCommand(), benchCheckCommand(), benchReportCommand())
	return cmd
}

// plan turns the flags into what to measure.
func (o *benchOptions) plan() (bench.Plan, error) {
	p := bench.Plan{Entries: bench.Full(), Rounds: 5, Duration: time.Second}
	if o.quick {
		p = bench.Plan{Entries: bench.Quick(), Rounds: 7, Duration: 300 * time.Millisecond, Quick: true}
	}
	if len(o.loads) > 0 { // by name, a quick run takes any
		var err error
		if p.Entries, err = choose("load", bench.Full(), o.loads); err != nil {
			return p, err
		}
	}
	if len(o.datapaths) > 0 {
		on, err := choose("datapath", bench.Datapaths(), o.datapaths)
		if err != nil {
			return p, err
		}
		for i := range p.Entries {
			p.Entries[i].On = on
		}
	}
	return p, nil
}

func (o *benchOptions) run(cmd *cobra.Command, out format) error {
	plan, err := o.plan()
	if err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	if err := bench.Check(); err != nil {
		return err
	}
	if err := plan.Fit(append(o.loads, o.datapaths...)); err != nil {
		return err
	}
	if o.results != "" {
		if err := report.Prepare(o.results); err != nil {
			return err
		}
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	plan.Log = watch(cmd.ErrOrStderr())
	r, err := bench.Run(ctx, plan)
	if o.results != "" && len(r.Series) > 0 { // before standard output, whose reader may be gone
		err = errors.Join(err, o.keep(r, plan))
	}
	if out == "json" {
		return errors.Join(err, r.WriteJSON(cmd.OutOrStdout()))
	}
	return errors.Join(err, r.WriteTable(cmd.OutOrStdout()))
}

func (o *benchOptions) keep(r *report.Report, plan bench.Plan) error {
	stem, err := r.Save(o.results)
	if err == nil {
		plan.Log.Info("kept", "results", stem+".{json,csv,html}")
	}
	return err
}

// A named thing can be chosen by its name.
type named interface{ Name() string }

func names[T named](all []T) string {
	list := make([]string, len(all))
	for i, x := range all {
		list[i] = x.Name()
	}
	return strings.Join(list, ", ")
}

// choose returns those that are wanted, in the order of all; wanting none means all.
func choose[T named](what string, all []T, wanted []string) ([]T, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	want := map[string]bool{}
	for _, name := range wanted {
		want[name] = true
	}
	var chosen []T
	for _, x := range all {
		if want[x.Name()] {
			chosen = append(chosen, x)
			delete(want, x.Name())
		}
	}
	for _, name := range wanted {
		if want[name] {
			return nil, fmt.Errorf("there is no %s %q: want some of %s", what, name, names(all))
		}
	}
	return chosen, nil
}

func completeNames[T named](all []T) cobra.CompletionFunc {
	return cobra.FixedCompletions(strings.Split(names(all), ", "), cobra.ShellCompDirectiveNoFileComp)
}
