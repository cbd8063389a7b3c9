// Package platform is everything that this software may ask or do on a machine outside systemd: facts about the OS, files under a Root, commands
// without a shell. Its sub-packages hold packages, block devices and downloads. It imports nothing of ours outside platform/ and knows nothing of ScaleIO.
package platform
