// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

// kubectlName is the name under which kubectl runs this program as its plugin (`kubectl tapir`):
// https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/.
const kubectlName = "kubectl-tapir"

// plugin asks the agent of a machine's node, in its pod. kubectl itself does all that has to do with the cluster, so whoever may look
// there may look here: Kubernetes' RBAC decides, on pods/exec of Tapir's namespace.
type plugin struct {
	kubectl   []string // flags for each of its calls
	namespace string   // of the machine; "" is that of kubectl's context
	system    string   // Tapir's own namespace
}

// newPlugin returns the command `kubectl tapir`.
func newPlugin() *cobra.Command {
	p := &plugin{}
	var kubeContext, kubeconfig string
	root := &cobra.Command{
		Use:           kubectlName,
		Short:         "Show what the packets of a cluster's virtual machines do",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			if kubeContext != "" {
				p.kubectl = append(p.kubectl, "--context", kubeContext)
			}
			if kubeconfig != "" {
				p.kubectl = append(p.kubectl, "--kubeconfig", kubeconfig)
			}
		},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&p.namespace, "namespace", "n", "", "of the machine")
	flags.StringVar(&p.system, "tapir-namespace", "tapir-system", "where Tapir is installed")
	flags.StringVar(&kubeContext, "context", "", "of the kubeconfig file")
	flags.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig file")
	root.AddCommand(
		p.command("status", "Show a machine's NICs"),
		p.command("flows", "Show a machine's connections, as the datapath knows them"),
		p.command("drops", "Show what the datapath dropped of a machine's packets, and why"),
	)
	return root
}

// command makes a verb of the plugin from the verb that the agent's pod has.
func (p *plugin) command(verb, short string) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " VM", Short: short}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("name one machine: kubectl tapir %s VM", verb)
		}
		return nil
	}
	out := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.run(cmd.Context(), verb, args[0], *out)
	}
	return cmd
}

func (p *plugin) run(ctx context.Context, verb, vm string, out format) error {
	get := []string{"get", "virtualmachineinstances.kubevirt.io", vm, "-o", "jsonpath={.metadata.namespace} {.metadata.name} {.status.nodeName}"}
	if p.namespace != "" {
		get = append(get, "-n", p.namespace)
	}
	found, err := p.ask(ctx, get...)
	if err != nil {
		return fmt.Errorf("find machine %s, which has to run (-n names another namespace): %w", vm, err)
	}
	if len(found) != 3 {
		return fmt.Errorf("machine %s is on no node yet", vm)
	}
	agent, err := p.ask(ctx, "get", "pods", "-n", p.system, "-l", "app.kubernetes.io/name=tapir-agent", "--field-selector",
		"status.phase=Running,spec.nodeName="+found[2], "-o", "jsonpath={.items[*].metadata.name}")
	if err != nil {
		return err
	}
	if len(agent) == 0 {
		return fmt.Errorf("no agent runs on node %s, where machine %s is: kubectl get pods -n %s -o wide", found[2], vm, p.system)
	}
	arguments := append(p.kubectl[:len(p.kubectl):len(p.kubectl)], "exec", "-n", p.system, agent[0], "-c", "agent", "--",
		"/usr/bin/tapir", verb, found[0]+"/"+found[1], "-o", string(out))
	command := exec.CommandContext(ctx, "kubectl", arguments...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// ask runs kubectl and returns the words that it prints.
func (p *plugin) ask(ctx context.Context, arguments ...string) ([]string, error) {
	command := exec.CommandContext(ctx, "kubectl", append(p.kubectl[:len(p.kubectl):len(p.kubectl)], arguments...)...)
	var problem strings.Builder
	command.Stderr = &problem
	out, err := command.Output()
	if text := strings.TrimSpace(problem.String()); err != nil && text != "" {
		return nil, fmt.Errorf("kubectl: %s", text)
	}
	if err != nil {
		return nil, fmt.Errorf("run kubectl: %w", err)
	}
	return strings.Fields(string(out)), nil
}
