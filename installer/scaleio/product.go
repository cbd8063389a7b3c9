package scaleio

import "scaleio-framework/platform"

// Components of the product, by the stem of their package. Nothing in package or path names was ever rebranded after ScaleIO.
const (
	MDM     = "mdm" // also the tie-breaker: the same package in another role
	SDS     = "sds"
	SDC     = "sdc"
	Gateway = "gateway"
	LIA     = "lia"
)

// DebName of a component's package.
func DebName(component string) string { return "emc-scaleio-" + component }

// RPMName of a component's package.
func RPMName(component string) string { return "EMC-ScaleIO-" + component }

// PackageName of a component where the family's package tools, or this program in their place, install it.
func PackageName(family platform.Family, component string) string {
	if family == platform.FamilyDeb {
		return DebName(component)
	}
	return RPMName(component)
}

// Units of the components.
const (
	UnitMDM     = "mdm.service"
	UnitSDS     = "sds.service"
	UnitSDC     = "scini.service"
	UnitGateway = "scaleio-gateway.service"
	UnitLIA     = "lia.service"
)

// Unit of a component, or "".
func Unit(component string) string {
	return map[string]string{MDM: UnitMDM, SDS: UnitSDS, SDC: UnitSDC, Gateway: UnitGateway, LIA: UnitLIA}[component]
}

// Environment that the packages' scripts honour at installation.
const (
	EnvMDMRole         = "MDM_ROLE_IS_MANAGER"    // 1 manager, 0 tie-breaker; unset = tie-breaker
	EnvMDMIP           = "MDM_IP"                 // sdc: the managers' addresses, by comma; ends up in drv_cfg.txt
	EnvGatewayPassword = "GATEWAY_ADMIN_PASSWORD" // gateway's own admin
	EnvLIAToken        = "TOKEN"
)

// Paths of the product.
const (
	PathCLI            = "/bin/scli"
	PathMDMConf        = "/opt/emc/scaleio/mdm/cfg/conf.txt"
	PathMDMCertificate = "/opt/emc/scaleio/mdm/cfg/mdm_management_certificate.pem"
	PathDrvCfg         = "/opt/emc/scaleio/sdc/bin/drv_cfg"
	PathDrvCfgOld      = "/bin/emc/scaleio/drv_cfg"     // also on 2.x
	PathDrvCfgText     = "/etc/emc/scaleio/drv_cfg.txt" // 3.x and later
	PathDrvCfgTextOld  = "/bin/emc/scaleio/drv_cfg.txt" // 2.x
	PathGatewayUser    = "/opt/emc/scaleio/gateway/webapps/ROOT/WEB-INF/classes/gatewayUser.properties"
	PathGatewayTomcat  = "/opt/emc/scaleio/gateway/conf/catalina.properties"
	PathScini          = "/dev/scini"
)

// Keys of configuration files.
const (
	KeyMDMIsManager  = "actor_role_is_manager" // mdm/cfg/conf.txt; may be changed only while the node is in no cluster
	KeyGatewayMDMs   = "mdm.ip.addresses"      // gatewayUser.properties; by comma
	KeyGatewayBypass = "security.bypass_certificate_check"
)

// Ports.
const (
	PortMDMManagement = 6611 // opens once the node is in a cluster
	PortMDMCluster    = 9011 // opens right after installation
	PortSDS           = 7072
	PortGateway       = 443
)

// The account that a new cluster has. Most commands are refused until its password is changed.
const (
	AdminUser            = "admin"
	DefaultAdminPassword = "admin"
)

// RoleFrontEnd lets its user create, map and remove volumes: what the volume driver needs and no more.
const RoleFrontEnd = "FrontEndConfigure"

// MaxName is the longest name of any object.
const MaxName = 31
