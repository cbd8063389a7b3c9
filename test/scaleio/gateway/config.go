package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

// Options of one gateway.
type Options struct {
	Root    string // prefix of all paths
	Listen  string // address; all when empty
	Port    int
	Session time.Duration // how long an unused token lives
	Log     *slog.Logger
}

const (
	base           = "opt/emc/scaleio/gateway"
	userProperties = base + "/webapps/ROOT/WEB-INF/classes/gatewayUser.properties"
	certificateDir = base + "/conf/certificates"
	trustDir       = certificateDir + "/mdm" // certificates of MDMs that were trusted, one file each
	passwordKey    = "gateway-admin.password"
	defaultSession = 10 * time.Minute
	hashRounds     = 10_000
)

func (o Options) path(name string) string { return filepath.Join(o.Root, name) }

// property reads the file at every use: the product wants a restart after a change, and restarts are frequent enough in tests.
func (o Options) property(key string) string {
	raw, err := os.ReadFile(o.path(userProperties))
	if err != nil {
		return ""
	}
	value := ""
	for line := range strings.Lines(string(raw)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.TrimSpace(k) == key {
			value = strings.TrimSpace(v)
		}
	}
	return value
}

// mdms: both separators are in use in the wild.
func (o Options) mdms() []string {
	return strings.FieldsFunc(o.property("mdm.ip.addresses"), func(r rune) bool { return r == ',' || r == ';' || r == ' ' })
}

// Configure is the installation's part: the properties with the administrator's password, hashed, and the certificate.
func Configure(o Options, password string) error {
	name := o.path(userProperties)
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if password == "" {
			return errors.New("configuring the gateway: GATEWAY_ADMIN_PASSWORD isn't set")
		}
		hash, err := hashPassword(password)
		if err != nil {
			return err
		}
		content := "mdm.ip.addresses=\nsecurity.bypass_certificate_check=false\ngateway-security.allow_non_secure_communication=false\nfeatures.enable_snmp=false\n" +
			passwordKey + "=" + hash + "\n"
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("configuring the gateway: %w", err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return fmt.Errorf("configuring the gateway: %w", err)
		}
	}
	_, err := o.certificate()
	return err
}

func hashPassword(password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	key, err := pbkdf2.Key(sha256.New, password, salt, hashRounds, 32)
	return base64.RawURLEncoding.EncodeToString(append(salt, key...)), err
}

func (o Options) isAdminPassword(password string) bool {
	stored, err := base64.RawURLEncoding.DecodeString(o.property(passwordKey))
	if err != nil || len(stored) != 48 {
		return false
	}
	key, err := pbkdf2.Key(sha256.New, password, stored[:16], hashRounds, 32)
	return err == nil && subtle.ConstantTimeCompare(key, stored[16:]) == 1
}

// certificate loads the gateway's own, or makes it for this host's name and addresses.
func (o Options) certificate() (tls.Certificate, error) {
	dir := o.path(certificateDir)
	certFile, keyFile := filepath.Join(dir, "gateway.pem"), filepath.Join(dir, "gateway.key")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return pair, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, fmt.Errorf("making the gateway's key: %w", err)
	}
	host, _ := os.Hostname()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: host, OrganizationalUnit: []string{"ASD"}, Organization: []string{"EMC"}, Locality: []string{"Hopkinton"}, Province: []string{"Massachusetts"}, Country: []string{"US"}},
		DNSNames:     []string{host, "localhost"},
		IPAddresses:  ownAddresses(),
		NotBefore:    time.Now().Add(-24 * time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(o.Listen); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return pair, fmt.Errorf("making the gateway's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair, fmt.Errorf("encoding the gateway's key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return pair, fmt.Errorf("storing the gateway's certificate: %w", err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return pair, fmt.Errorf("storing the gateway's key: %w", err)
	}
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return pair, fmt.Errorf("storing the gateway's certificate: %w", err)
	}
	return tls.LoadX509KeyPair(certFile, keyFile)
}

func ownAddresses() []net.IP {
	var ips []net.IP
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok {
			ips = append(ips, network.IP)
		}
	}
	return ips
}

// trust is whom the gateway believes to be an MDM: the certificates stored, or anyone where the check is bypassed.
func (o Options) trust() *mgmt.Trust {
	trust := &mgmt.Trust{Approve: func(c *x509.Certificate) error {
		return fmt.Errorf("certificate %s of the MDM isn't trusted", mgmt.Thumbprint(c))
	}}
	if o.property("security.bypass_certificate_check") == "true" {
		trust.Approve = func(*x509.Certificate) error { return nil }
	}
	files, _ := filepath.Glob(filepath.Join(o.path(trustDir), "*.pem"))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if certificate, err := parseCertificate(raw); err == nil {
			trust.Add(certificate)
		}
	}
	return trust
}

func parseCertificate(raw []byte) (*x509.Certificate, error) {
	if block, _ := pem.Decode(raw); block != nil {
		raw = block.Bytes
	}
	return x509.ParseCertificate(raw)
}

func (o Options) addTrust(certificate *x509.Certificate) error {
	dir := o.path(trustDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("storing an MDM's certificate: %w", err)
	}
	name := filepath.Join(dir, strings.ReplaceAll(mgmt.Thumbprint(certificate), ":", "")+".pem")
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), 0o644)
}
