#!/bin/sh
# The gateway's package writes its unit itself.
set -e
unit=/etc/systemd/system/scaleio-gateway.service
echo "Creating service file $unit"
cat >$unit <<'EOF'
[Unit]
Description=EMC ScaleIO Gateway (stand-in)
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/opt/emc/scaleio/gateway/bin/gateway
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
EOF
[ "$(systemctl is-enabled scaleio-gateway.service 2>/dev/null)" = masked ] && exit 0
[ -d /run/systemd/system ] && systemctl daemon-reload
systemctl enable scaleio-gateway.service
if [ -d /run/systemd/system ]; then
	systemctl restart scaleio-gateway.service
fi
