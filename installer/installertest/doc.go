// Package installertest holds a machine in memory on which the product's packages can be installed: its daemons, scli, drv_cfg, the gateway, REX-Ray and a Mesos
// agent behave as far as an installer sees them, and keep their state. Several nodes share one ScaleIO system. Only tests import it.
package installertest
