package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"scaleio-framework/scheduler/api"
)

// progress shows one line per node: redrawn on a terminal, else printed when it
// says something new.
type progress struct {
	out      io.Writer
	terminal bool
	width    int
	drawn    int               // lines to go back over
	said     map[string]string // node to what was printed of it
	start    time.Time
}

func newProgress(out *os.File) *progress {
	p := &progress{out: out, said: map[string]string{}, start: time.Now()}
	if term.IsTerminal(int(out.Fd())) {
		p.terminal = true
		p.width, _, _ = term.GetSize(int(out.Fd()))
	}
	return p
}

func (p *progress) show(status api.ClusterStatus) {
	lines := []string{}
	for _, node := range status.Nodes {
		lines = append(lines, nodeLine(node))
	}
	if len(lines) == 0 {
		lines = []string{"no node has joined yet"}
	}
	if status.Waiting != "" {
		lines = append(lines, "waiting for "+status.Waiting)
	}
	if p.terminal {
		p.redraw(lines)
		return
	}
	for i, line := range lines {
		key := fmt.Sprint(i)
		if i < len(status.Nodes) {
			key = status.Nodes[i].Node
		}
		if p.said[key] != line {
			p.said[key] = line
			fmt.Fprintf(p.out, "%4.0fs  %s\n", time.Since(p.start).Seconds(), line)
		}
	}
}

// say what happened, and keep it on the screen.
func (p *progress) say(line string) {
	p.wipe()
	fmt.Fprintf(p.out, "%4.0fs  %s\n", time.Since(p.start).Seconds(), line)
}

// pool is one line that is drawn over again; where it can't be, it is printed when it says something new.
func (p *progress) pool(line string) {
	if p.terminal {
		p.redraw([]string{line})
		return
	}
	if p.said["pool"] != line {
		p.said["pool"] = line
		fmt.Fprintf(p.out, "%4.0fs  %s\n", time.Since(p.start).Seconds(), line)
	}
}

// wipe what would be drawn over.
func (p *progress) wipe() {
	if p.terminal && p.drawn > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA\x1b[J", p.drawn)
	}
	p.drawn = 0
}

func (p *progress) redraw(lines []string) {
	if p.drawn > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA", p.drawn)
	}
	for _, line := range lines {
		if p.width > 8 && len(line) > p.width-8 {
			line = line[:p.width-8]
		}
		fmt.Fprintf(p.out, "\x1b[2K%4.0fs  %s\n", time.Since(p.start).Seconds(), line)
	}
	fmt.Fprint(p.out, "\x1b[J")
	p.drawn = len(lines)
}

func (p *progress) end() { p.drawn = 0 }

func nodeLine(node api.NodeStatus) string {
	role := string(node.Role)
	if role == "" {
		role = "-"
	}
	state := "Ready"
	if !node.Ready {
		state = strings.TrimSpace(strings.Join([]string{node.Step, node.Reason, node.Message}, " "))
		state = strings.ReplaceAll(state, "\n", " ")
		if state == "" {
			state = "waiting for its first report"
		}
	}
	return fmt.Sprintf("%-4s %-11s %.150s", node.Hostname, role, state)
}
