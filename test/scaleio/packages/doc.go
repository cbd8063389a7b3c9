// Command packages builds the stand-ins' .deb and .rpm packages under the product's names, and the manifest that the scheduler reads. The packages' scripts
// behave as the vendor's do: they read their settings from the environment, install units, enable and start them, and refuse removal
// of what is still configured.
package main
