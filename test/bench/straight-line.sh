#!/bin/bash
# What a careful script would do to make a cluster of bare nodes: the product's own steps, one after the other on each node, and no wait but those that the
# product itself needs. It knows everything beforehand, looks at nothing twice, and mends nothing. Called by phase, with the environment that bringup_bench_test.go
# gives: /root/packages holds lines "component url sha256", MANAGERS the managers' addresses by comma.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive HOME=/root
dir=/var/tmp/packages
scli() { command scli --approve_certificate "$@"; }
until_ok() { until "$@" >/dev/null 2>&1; do sleep 0.1; done; }

fetch() {
	while read -r component url sum; do
		[[ " $* " == *" $component "* ]] || continue
		curl -fsS -o "$dir/$component" "$url"
		echo "$sum  $dir/$component" | sha256sum -c --quiet -
	done </root/packages
}

install_package() { cp "$dir/$1" "$dir/$1.deb" && dpkg -i "$dir/$1.deb"; }

case $1 in
mdm) # everything here, and the MDM installed
	mkdir -p $dir
	if [ "$ROLE" = manager ]; then fetch mdm sds sdc gateway rexray dvdcli; java=openjdk-8-jre-headless; else fetch mdm sds sdc rexray dvdcli; java=; fi
	apt-get -q update
	apt-get -y -q --no-install-recommends install libaio1 numactl openssl e2fsprogs xfsprogs $java
	[ "$ROLE" = manager ] && manager=1 || manager=0
	MDM_ROLE_IS_MANAGER=$manager install_package mdm
	;;
rest) # of the product's packages
	mkdir $dir/siob && tar -C $dir/siob -xf $dir/sds
	(cd "$(dirname "$(find $dir/siob -name '*.siob')")" && chmod +x siob_extract && ./siob_extract ./*.siob && dpkg -i ./*.deb)
	MDM_IP=$MANAGERS install_package sdc
	if [ "$ROLE" = manager ]; then GATEWAY_ADMIN_PASSWORD=$PASSWORD install_package gateway; fi
	install -m 755 $dir/rexray $dir/dvdcli /usr/bin
	systemctl enable --now mdm sds scini
	;;
form) # once all MDMs are installed: NAMES and ADDRESSES of this one, the other manager and the tie-breaker
	read -r -a names <<<"$NAMES"
	read -r -a ips <<<"$ADDRESSES"
	until_ok command scli --approve_certificate --create_mdm_cluster --master_mdm_ip "${ips[0]}" --master_mdm_management_ip "${ips[0]}" --master_mdm_name "${names[0]}" --accept_license
	until_ok scli --login --username admin --password admin
	scli --set_password --old_password admin --new_password "$PASSWORD"
	scli --login --username admin --password "$PASSWORD"
	scli --add_standby_mdm --new_mdm_ip "${ips[1]}" --mdm_role manager --new_mdm_management_ip "${ips[1]}" --new_mdm_name "${names[1]}"
	scli --add_standby_mdm --new_mdm_ip "${ips[2]}" --mdm_role tb --new_mdm_name "${names[2]}"
	scli --switch_cluster_mode --cluster_mode 3_node --add_slave_mdm_name "${names[1]}" --add_tb_name "${names[2]}"
	scli --rename_system --new_name straight
	scli --add_protection_domain --protection_domain_name pd1
	scli --add_storage_pool --protection_domain_name pd1 --storage_pool_name sp1 --media_type HDD
	scli --modify_spare_policy --protection_domain_name pd1 --storage_pool_name sp1 --spare_percentage 34 --i_am_sure
	scli --modify_zero_padding_policy --protection_domain_name pd1 --storage_pool_name sp1 --enable_zero_padding
	for name in "${names[@]}"; do scli --add_fault_set --protection_domain_name pd1 --fault_set_name "fs-$name"; done
	temporary=$(scli --add_user --username rexray --user_role FrontEndConfigure | sed -n "s/.*temporary password is '\([^']*\)'.*/\1/p")
	scli --login --username rexray --password "$temporary"
	scli --set_password --old_password "$temporary" --new_password "$PASSWORD"
	scli --login --username admin --password "$PASSWORD"
	;;
storage) # once the SDS of NAME at ADDRESS runs, and the pool is there: its empty disks DEVICES
	scli --add_sds --sds_ip "$ADDRESS" --sds_name "$NAME" --protection_domain_name pd1 --fault_set_name "fs-$NAME"
	for device in $DEVICES; do
		scli --add_sds_device --sds_name "$NAME" --protection_domain_name pd1 --storage_pool_name sp1 --device_path "$device"
	done
	;;
gateway) # once the cluster is formed: CERTIFICATES are those of the managers' MDMs
	file=/opt/emc/scaleio/gateway/webapps/ROOT/WEB-INF/classes/gatewayUser.properties
	sed -i "/^mdm.ip.addresses/d; /^security.bypass_certificate_check/d" $file
	printf 'mdm.ip.addresses=%s\nsecurity.bypass_certificate_check=false\n' "$MANAGERS" >>$file
	systemctl enable scaleio-gateway && systemctl restart scaleio-gateway
	until_ok curl -fsSk https://127.0.0.1/api/version
	openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | openssl x509 >/root/gateway.pem
	token=$(curl -fsS --cacert /root/gateway.pem -u "admin:$PASSWORD" https://127.0.0.1/api/gatewayLogin | tr -d '"')
	while read -r -d '|' certificate; do
		curl -fsS --cacert /root/gateway.pem -u "admin:$token" -F "file=@-;filename=mdm.cer" https://127.0.0.1/api/trustHostCertificate/Mdm <<<"$certificate"
	done <<<"$CERTIFICATES"
	;;
volumes) # once a gateway answers: REX-Ray, and the Mesos agent's isolator
	systemctl enable --now rexray
	until_ok curl -fsS -X POST --unix-socket /run/docker/plugins/mesos.sock http://plugin/Plugin.Activate
	echo "$(cat /etc/mesos-agent/isolation),filesystem/linux,docker/volume" >/etc/mesos-agent/isolation
	echo /var/lib/mesos/isolators/docker/volume >/etc/mesos-agent/docker_volume_checkpoint_dir
	systemctl restart mesos-agent
	until_ok curl -fsS "http://$ADDRESS:5051/health"
	;;
esac
