// Command tenant is what an attacker runs in a task of his own on a node: `look` tries whatever could give secrets or power away and prints as JSON what
// worked; `flood` sends the scheduler and a node's endpoint everything that could fill their memory; `ask` prints
// the status of an answer.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	var found any
	switch {
	case len(os.Args) == 3 && os.Args[1] == "look":
		found = look(os.Args[2])
	case len(os.Args) == 5 && os.Args[1] == "flood":
		length, err := time.ParseDuration(os.Args[4])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		found = flood(os.Args[2], os.Args[3], length)
	case len(os.Args) == 3 && os.Args[1] == "ask":
		found = ask(anyClient(), http.MethodGet, os.Args[2], "")
	default:
		fmt.Fprintln(os.Stderr, "usage: tenant look SCHEDULER | ask URL | flood SCHEDULER AGENT DURATION")
		os.Exit(2)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		os.Exit(1)
	}
}
