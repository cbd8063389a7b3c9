// Command bench holds what the benchmarks measured against the bars that were set beforehand:
//
//	go test -run '^$' -bench . ./... | go run ./test/bench
//
// passes the benchmarks' output on and ends with a table: what was measured, the bar, and whether it is met. docs/numbers.md keeps such tables, with where and
// when they were taken. The benchmarks that are here run the programs as they are shipped; those that need real systemd nodes have the build tag nodes. They are no
// tests: how fast a machine is fails nothing.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	measured, failed, err := read(io.TeeReader(os.Stdin, os.Stdout))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	fmt.Printf("\n%s\n%s", machine(), table(measured))
	if failed {
		os.Exit(1)
	}
}
