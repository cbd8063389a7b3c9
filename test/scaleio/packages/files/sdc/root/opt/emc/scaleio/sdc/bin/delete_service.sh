#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl stop scini.service || true
fi
systemctl disable scini.service 2>/dev/null || true
