// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// endSignals are those that ask this process to end, SIGHUP among them: its terminal is gone, unless nohup(1)
// has said that this is no reason.
func endSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// untilSignal returns a context that ends when this process is asked to.
func untilSignal(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	return signal.NotifyContext(parent, endSignals()...)
}

// patience ends with the user's: the first signal ends the context, the second closes kill.
func patience(parent context.Context) (ctx context.Context, kill <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endSignals()...)
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		<-signals
		cancel()
		<-signals
	}()
	return ctx, lost, func() {
		signal.Stop(signals)
		close(signals) // lets the goroutine end
		cancel()
	}
}
