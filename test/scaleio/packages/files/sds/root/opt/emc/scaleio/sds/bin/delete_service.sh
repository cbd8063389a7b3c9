#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl stop sds.service || true
fi
systemctl disable sds.service 2>/dev/null || true
