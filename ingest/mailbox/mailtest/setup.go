package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// config returns Dovecot's configuration. Mail belongs to nobody when we are
// root, else everything runs as ourselves.
func (s *Server) config() string {
	who := "mail_uid = nobody\nmail_gid = nogroup\n"
	if os.Getuid() != 0 {
		me := fmt.Sprint(os.Getuid())
		if name, err := exec.Command("id", "-un").Output(); err == nil {
			me = strings.TrimSpace(string(name))
		}
		group := fmt.Sprint(os.Getgid())
		if name, err := exec.Command("id", "-gn").Output(); err == nil {
			group = strings.TrimSpace(string(name))
		}
		who = fmt.Sprintf("mail_uid = %d\nmail_gid = %d\ndefault_internal_user = %s\ndefault_internal_group = %s\ndefault_login_user = %s\n",
			os.Getuid(), os.Getgid(), me, group, me) +
			"service imap-login {\n  chroot =\n}\nservice anvil {\n  chroot =\n}\n"
	}
	return strings.NewReplacer("DIR", s.dir, "PORT", fmt.Sprint(s.Port), "SECURE", fmt.Sprint(s.TLSPort), "SENT", SentFolder, "INDEX", s.o.index()).Replace(`
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols = imap
listen = 127.0.0.1
first_valid_uid = 0
first_valid_gid = 0
auth_failure_delay = 0
mail_max_userip_connections = 0
ssl = yes
ssl_cert = <DIR/cert.pem
ssl_key = <DIR/key.pem
mail_location = maildir:~/MaildirINDEX
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/users
}
userdb {
  driver = static
  args = home=DIR/mail/%u
}
namespace inbox {
  inbox = yes
  mailbox "SENT" {
    special_use = \Sent
    auto = create
  }
  mailbox Archiv {
    special_use = \Archive
    auto = create
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = PORT
  }
  inet_listener imaps {
    port = SECURE
    ssl = yes
  }
}
`) + s.o.config() + who + s.oauth2()
}

// oauth2 returns the part of the configuration for sign-in with tokens, if any.
func (s *Server) oauth2() string {
	if s.introspection == "" {
		return ""
	}
	return fmt.Sprintf("auth_mechanisms = plain login %[1]s\npassdb {\n  driver = oauth2\n  mechanisms = %[1]s\n  args = %[2]s\n}\n", s.mechanisms, s.path("oauth2.conf"))
}

func (s *Server) prepare(users []string) error {
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(s.path("mail"), 0o777); err != nil {
		return err
	}
	if err := os.Chmod(s.path("mail"), 0o777); err != nil {
		return err
	}
	var passwords bytes.Buffer
	for _, user := range users {
		fmt.Fprintf(&passwords, "%s:%s\n", user, s.Password(user))
	}
	cert, key, err := certificate()
	if err != nil {
		return err
	}
	s.CAs = x509.NewCertPool()
	s.CAs.AppendCertsFromPEM(cert)
	introspect := fmt.Appendf(nil, "introspection_url = %s\nintrospection_mode = post\nforce_introspection = yes\nusername_attribute = email\nactive_attribute = active\nactive_value = true\n", s.introspection)
	for name, content := range map[string][]byte{"users": passwords.Bytes(), "cert.pem": cert, "key.pem": key, "oauth2.conf": introspect} {
		if err := os.WriteFile(s.path(name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// certificate returns a certificate for 127.0.0.1 that signed itself.
func certificate() (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "made-up mail server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return cert, key, nil
}
