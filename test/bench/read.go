package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A figure that a benchmark reported: its name without the number of CPUs, and the unit.
type figure struct{ benchmark, unit string }

var cpus = regexp.MustCompile(`-\d+$`)

// read what `go test -bench` prints. failed: a benchmark or a build did.
func read(from io.Reader) (measured map[figure]float64, failed bool, err error) {
	measured = map[figure]float64{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if fields[0] == "FAIL" || fields[0] == "---" && len(fields) > 1 && fields[1] == "FAIL:" {
			failed = true
		}
		if !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 { // after the name and the count of runs: value unit, value unit, ...
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				break // a line that a benchmark logged
			}
			measured[figure{cpus.ReplaceAllString(fields[0], ""), fields[i+1]}] = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, failed, fmt.Errorf("reading the benchmarks' output: %w", err)
	}
	return measured, failed, nil
}
