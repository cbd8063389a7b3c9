package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"scaleio-framework/platform"
)

// failure tells what went wrong with the last transaction that installed a package, or nothing. rpm's own database has no word of it; the history that dnf
// and yum keep has both scripts that failed and transactions that never ended. Of one made with rpm alone nothing is known.
func (r *RPM) failure(ctx context.Context, of identity) (string, error) {
	if r.judged.whole(of) {
		return "", nil
	}
	manager, err := r.manager()
	if err != nil {
		return "", err
	}
	ended, err := r.history(ctx, manager, "info", of.name)
	if err != nil {
		return "", err
	}
	last := 0
	failure := ""
	if transactions := parseTransactions(ended); len(transactions) > 0 {
		last = transactions[0].id // the newest comes first
		failure = transactions[0].scriptFailure(of)
	}
	cut, err := r.cut(ctx, manager, of, last)
	if err != nil {
		return "", err
	}
	if cut != 0 && failure == "" {
		failure = fmt.Sprintf("transaction %d, which installed it, didn't end well", cut)
	}
	if failure == "" { // a transaction that is under way ends some day, the others are put right: they are asked for again
		r.judged.put(of)
	}
	return failure, nil
}

// cut finds a transaction younger than the package's last whole one which began to install it and never ended, or failed: such aren't found by the package's name.
func (r *RPM) cut(ctx context.Context, manager string, of identity, last int) (id int, err error) {
	list, err := r.history(ctx, manager, "list")
	if err != nil {
		return 0, err
	}
	var ids []string
	for _, id := range suspicious(list) {
		if id > last {
			ids = append(ids, strconv.Itoa(id))
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	text, err := r.history(ctx, manager, append([]string{"info"}, ids...)...)
	if err != nil {
		return 0, err
	}
	for _, t := range parseTransactions(text) {
		if t.id > last && t.undoneOf(of) {
			return t.id, nil
		}
	}
	return 0, nil
}

func (r *RPM) history(ctx context.Context, manager string, args ...string) (string, error) {
	out, err := r.commands.Run(ctx, platform.Cmd{Path: manager, Args: append([]string{"-C", "history"}, args...), Timeout: lookTimeout})
	var exit *platform.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stdout+exit.Stderr, "No transaction") { // newer ones call that a failure
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the history of installations: %w", err)
	}
	return string(out.Stdout), nil
}

// maxSuspicious transactions are looked at, the newest.
const maxSuspicious = 20

// suspicious lists the ids of transactions, the newest first, that may have been cut, from the table of "history list". After the count of packages come at
// most two signs: * aborted, # failed, and < or > where the database isn't what the next or the last transaction saw; they may hide the others.
func suspicious(list string) (ids []int) {
	for line := range strings.Lines(list) {
		columns := strings.Split(line, "|")
		if len(columns) < 5 {
			continue
		}
		id, err := strconv.Atoi(strings.TrimSpace(columns[0]))
		if err == nil && id > 0 && strings.ContainsAny(columns[len(columns)-1], "*#<>") {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int) int { return b - a })
	return ids[:min(len(ids), maxSuspicious)]
}

// transaction is what "history info" tells of one.
type transaction struct {
	id      int
	undone  []string // of the packages that it was to change: "good-1.0-1.el9.noarch"
	scripts []string // what they printed
}

// parseTransactions reads blocks of "Key : value", then indented lists. The lines that scripts printed are numbered.
func parseTransactions(text string) (all []transaction) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		key, value, isPair := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "Transaction ID"):
			section = ""
			if id, err := strconv.Atoi(strings.TrimSpace(value)); isPair && err == nil && id > 0 {
				all = append(all, transaction{id: id})
			}
		case isPair && !strings.HasPrefix(line, " ") && strings.TrimSpace(value) == "":
			section = key
		case len(all) == 0 || !strings.HasPrefix(line, " "):
		case section == "Packages Altered":
			if nevra := undonePackage(line); nevra != "" {
				t := &all[len(all)-1]
				t.undone = append(t.undone, nevra)
			}
		case section == "Scriptlet output":
			t := &all[len(all)-1]
			_, said, _ := strings.Cut(strings.TrimSpace(line), " ")
			t.scripts = append(t.scripts, said)
		}
	}
	return all
}

// undonePackage of " ** Install good-1.0-1.el9.noarch @@commandline": a mark, a verb, the package, its repository. Without the mark it is done.
func undonePackage(line string) string {
	fields := strings.Fields(line)
	if len(fields) < 3 || fields[0] != "**" {
		return ""
	}
	return fields[2]
}

func (t transaction) undoneOf(i identity) bool {
	return slices.ContainsFunc(t.undone, func(nevra string) bool {
		if epoch, rest, ok := strings.Cut(nevra, ":"); ok { // "good-1:2.0-1.noarch" of dnf, "1:good-2.0-1.noarch" of yum
			name, _, _ := cutLast(epoch, "-")
			nevra = strings.TrimPrefix(name+"-"+rest, "-")
		}
		return nevra == i.nevra()
	})
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// scriptFailure: "warning: %post(good-1.0-1.el9.noarch) scriptlet failed, exit status 1", with what it printed before. Those of removal are another version's.
func (t transaction) scriptFailure(of identity) string {
	for n, line := range t.scripts {
		script, rest, ok := strings.Cut(line, "(")
		if !ok || !strings.Contains(rest, "scriptlet failed") || !strings.Contains(script, "%post") && !strings.Contains(script, "%pre") || strings.Contains(script, "un") {
			continue
		}
		if nevra, _, ok := strings.Cut(rest, ")"); ok && nevra == of.nevra() {
			return strings.Join(t.scripts[max(0, n-3):n+1], "; ")
		}
	}
	return ""
}
