#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl stop mdm.service || true
fi
systemctl disable mdm.service 2>/dev/null || true
