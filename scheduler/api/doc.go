// Package api is what scheduler, agents and people say to each other: JSON under /v1. Unknown fields are ignored; an unknown role, step or
// gate makes an agent report UnsupportedSpec and do nothing. Scheduler N serves agents N-1 and N. It imports the standard library only, so
// that every other package may import it.
package api
