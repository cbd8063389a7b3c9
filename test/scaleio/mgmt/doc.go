// Package mgmt is the management protocol of the stand-in MDM: what scli and the gateway say to it on port 6611. The vendor's protocol
// isn't public; this one is a request line and an answer line of JSON over TLS. It knows no rules: those live in the MDM alone.
package mgmt
