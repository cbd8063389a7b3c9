// Package sigv4 checks signatures of Amazon's signature version 4, as a service does: it makes the canonical request anew from what arrived and compares.
package sigv4
