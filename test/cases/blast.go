package cases

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A Victim is a process that is killed, and frozen, while a task writes to a volume. The README's table has a row for each.
type Victim struct {
	Name string
	Ours bool // else it is Mesos' or the product's: here a stand-in
}

// Whose it is, in the table's words.
func (v Victim) Whose() string {
	if v.Ours {
		return "ours"
	}
	return "others'"
}

// Victims of TestBlast, in the table's order. Those that move the master come last.
var Victims = []Victim{
	{"scheduler", true},
	{"agent of the node that leads", true},
	{"agent of the writer's node", true},
	{"placing task of the writer's node", true},
	{"Mesos agent of the writer's node", false},
	{"gateway that its volume driver asks", false},
	{"REX-Ray on the writer's node", false},
	{"SDS with a copy of what is written", false},
	{"MDM that is master", false},
}

// A Blow is what was seen when a process was killed or frozen once.
type Blow struct {
	Pause time.Duration // the longest between two verified rounds of the writer
	Ready time.Duration // until all is Ready again
}

// Blast is one run of TestBlast.
type Blast struct {
	Machine        string
	When           time.Time
	Rounds         int // of the writer, all verified
	Quiet          time.Duration
	Froze          map[bool]time.Duration // how long: ours, others'
	Killed, Frozen map[string]Blow        // by the victim's name
}

// Table is the README's.
func (b *Blast) Table() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s on %s, with stand-ins for Mesos and ScaleIO; the writer's rounds: %d verified, 0 I/O errors, the longest %s while nothing happened.\n\n",
		b.When.Format(time.DateOnly), b.Machine, b.Rounds, hundredths(b.Quiet))
	t.WriteString("| process | whose | killed: pause | Ready after | frozen for | frozen: pause | Ready after |\n|---|---|---|---|---|---|---|\n")
	for _, v := range Victims {
		k, f := b.Killed[v.Name], b.Frozen[v.Name]
		fmt.Fprintf(&t, "| %s | %s | %s | %s | %.0f s | %s | %s |\n", v.Name, v.Whose(), hundredths(k.Pause), tenths(k.Ready), b.Froze[v.Ours].Seconds(), hundredths(f.Pause), tenths(f.Ready))
	}
	return strings.TrimSuffix(t.String(), "\n")
}

// Where the table is in the README.
const (
	BlastFrom = "<!-- measured: make blast -->\n"
	BlastTo   = "<!-- end measured -->"
)

// Publish the table in a README.
func (b *Blast) Publish(readme string) error {
	text, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("publishing what was measured: %w", err)
	}
	before, rest, begins := strings.Cut(string(text), BlastFrom)
	_, after, ends := strings.Cut(rest, BlastTo)
	if !begins || !ends {
		return fmt.Errorf("publishing what was measured: %s lacks %q or %q", readme, BlastFrom, BlastTo)
	}
	if err := os.WriteFile(readme, []byte(before+BlastFrom+b.Table()+"\n"+BlastTo+after), 0o600); err != nil {
		return fmt.Errorf("publishing what was measured: %w", err)
	}
	return nil
}

func hundredths(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func tenths(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// LongestPause between two rounds, of which some part was between from and to. A writer that made no round since then pauses still.
func LongestPause(rounds []time.Time, from, to time.Time) (longest time.Duration, ended bool) {
	for i := 1; i < len(rounds); i++ {
		if rounds[i].After(from) && rounds[i-1].Before(to) {
			longest = max(longest, rounds[i].Sub(rounds[i-1]))
		}
	}
	return longest, len(rounds) > 0 && rounds[len(rounds)-1].After(to)
}
