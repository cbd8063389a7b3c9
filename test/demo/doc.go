// Command demo shows the product on one machine: `demo up` brings a stand-in
// cluster up (test/cases) and follows it until it is Ready and the first app
// ran, `demo down` takes everything away. `make demo` and `make demo-down` call
// it.
package main
