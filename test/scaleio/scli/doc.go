// Package scli is the stand-in for ScaleIO's command line: the product's flags, texts, streams and exit codes in the 3.6 dialect. What the MDM
// decides it only prints. Texts that no source shows verbatim are by analogy with their neighbours.
package scli
