#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl stop scaleio-gateway.service || true
fi
systemctl disable scaleio-gateway.service 2>/dev/null || true
