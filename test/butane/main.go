// Command butane translates a Butane file from standard input to Ignition's JSON as `butane --strict` does: a warning is an error. It is a module of its
// own: Butane needs AWS's modules, which no program of ours should carry.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/coreos/butane/config"
	"github.com/coreos/butane/config/common"
)

func main() {
	if err := translate(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func translate(in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	ignition, report, err := config.TranslateBytes(text, common.TranslateBytesOptions{Pretty: true})
	if err != nil {
		return fmt.Errorf("translating: %w\n%s", err, report.String())
	}
	if len(report.Entries) > 0 {
		return fmt.Errorf("translating: not to the letter:\n%s", report.String())
	}
	_, err = out.Write(ignition)
	return err
}
