#!/bin/sh
# Registers the service: upgrades call this and delete_service.sh around themselves.
set -e
[ "$(systemctl is-enabled mdm.service 2>/dev/null)" = masked ] && exit 0
[ -d /run/systemd/system ] && systemctl daemon-reload
systemctl enable mdm.service
if [ -d /run/systemd/system ]; then
	systemctl restart mdm.service
fi
