// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

const (
	// maxAgentAnswer bounds what a guest's agent may say at once, in bytes.
	maxAgentAnswer = 4 << 20
	// agentTimeout bounds the wait for an answer that the agent gives by itself.
	agentTimeout = 10 * time.Second
	// execInterval is how often the agent is asked whether a command has ended.
	execInterval = 100 * time.Millisecond
)

// ErrNoAgent says that no guest agent answers.
var ErrNoAgent = errors.New("the guest's agent doesn't answer: is qemu-guest-agent installed there, and running?")

// AgentConnected tells whether the guest has opened its agent's port.
func (v *VM) AgentConnected(ctx context.Context) (bool, error) {
	var devices []struct {
		Label string
		Open  bool `json:"frontend-open"`
	}
	if err := v.mon.execute(ctx, "query-chardev", nil, &devices); err != nil {
		return false, err
	}
	for _, d := range devices {
		if d.Label == agentPort {
			return d.Open, nil
		}
	}
	return false, nil
}

// PingAgent returns nil when the guest's agent answers, and else an error wrapping ErrNoAgent.
func (v *VM) PingAgent(ctx context.Context) error { return v.askAgent(ctx, "guest-ping", nil, nil) }

// ExecResult is what became of a command in the guest.
type ExecResult struct {
	ExitCode int
	Output   string // stdout, then stderr
}

// Exec runs a command in the guest, by its agent, and waits for its end until ctx's; it then goes on in the guest. The result is never nil
// without an error.
func (v *VM) Exec(ctx context.Context, command []string) (*ExecResult, error) {
	if len(command) == 0 {
		return nil, errors.New("run a command in the guest: none is given")
	}
	var started struct{ PID int }
	arguments := map[string]any{"path": command[0], "arg": command[1:], "capture-output": true}
	if err := v.askAgent(ctx, "guest-exec", arguments, &started); err != nil {
		return nil, err
	}
	poll := time.NewTicker(execInterval)
	defer poll.Stop()
	for {
		var status struct {
			Exited   bool
			ExitCode int
			Signal   int
			Out      string `json:"out-data"`
			Err      string `json:"err-data"`
		}
		if err := v.askAgent(ctx, "guest-exec-status", map[string]any{"pid": started.PID}, &status); err != nil {
			return nil, err
		}
		if status.Exited {
			code := status.ExitCode
			if status.Signal != 0 {
				code = 128 + status.Signal // as shells have it
			}
			return &ExecResult{code, decode(status.Out) + decode(status.Err)}, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the command in the guest: %w", context.Cause(ctx))
		}
	}
}

// decode takes what the agent has encoded; a guest that did it wrong is taken at its word.
func decode(text string) string {
	if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
		return string(decoded)
	}
	return text
}

// askAgent runs one command of the guest's agent: QEMU's qga/qapi-schema.json. Returns an error wrapping ErrNoAgent when nobody answers, and a
// *CommandError when the agent refuses. Each command has a connection of its own, so that an answer that comes too late is nobody's.
func (v *VM) askAgent(ctx context.Context, command string, arguments, result any) error {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	select { // QEMU speaks with one at a time
	case v.agent <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait to ask the guest's agent: %w", context.Cause(ctx))
	}
	defer func() { <-v.agent }()
	conn, err := v.dir.dial(ctx, agentSocket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	answers := bufio.NewReader(io.LimitReader(conn, maxAgentAnswer))
	if err := syncAgent(conn, answers); err != nil {
		return fmt.Errorf("%w (%w)", ErrNoAgent, err)
	}
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		return fmt.Errorf("%w (%w)", ErrNoAgent, err)
	}
	line, err := answers.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%w (%s: %w)", ErrNoAgent, command, err)
	}
	var answer message
	if err := json.Unmarshal(line, &answer); err != nil {
		return fmt.Errorf("the guest's agent answers %s with what isn't JSON: %w", command, err)
	}
	if answer.Error != nil {
		return &CommandError{Command: command, Class: answer.Error.Class, Desc: answer.Error.Desc}
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Return, result); err != nil {
		return fmt.Errorf("decode the guest agent's answer to %s: %w", command, err)
	}
	return nil
}

// syncAgent skips what is left of an earlier conversation: the agent puts 0xff before its answer, which no JSON holds, and
// takes one for the end of what it has read by half.
func syncAgent(conn io.Writer, answers *bufio.Reader) error {
	id := rand.Uint32()
	if _, err := fmt.Fprintf(conn, "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%d}}\n", id); err != nil {
		return err
	}
	for {
		if _, err := answers.ReadSlice(0xff); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		} else if err != nil {
			continue
		}
		line, err := answers.ReadBytes('\n')
		if err != nil {
			return err
		}
		var answer struct{ Return uint32 }
		if json.Unmarshal(bytes.TrimLeft(line, "\xff"), &answer) == nil && answer.Return == id {
			return nil
		}
	}
}
