package aws

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"

	"scaleio-framework/platform"
)

// errCredentials: there are none to sign with.
var errCredentials = errors.New("no credentials")

// rereadAfter is how soon a file whose keys were exchanged is noticed, without a restart.
const rereadAfter = 5 * time.Minute

// credentialsOf is the instance's role, unless a file was asked for. Nothing else is looked at: no environment, no profile of a user.
func credentialsOf(file string, files *platform.Files, metadata *Metadata) *aws.CredentialsCache {
	var provider aws.CredentialsProvider = keysFile{file, files}
	if file == "" {
		provider = role{ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = metadata.role })}
	}
	return aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow, o.ExpiryWindowJitterFrac = 5*time.Minute, 0.5 })
}

// role keeps the SDK's ways (a failing metadata service prolongs what is there) and says what to do where there is none.
type role struct{ *ec2rolecreds.Provider }

func (r role) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := r.Provider.Retrieve(ctx)
	if err != nil {
		return c, fmt.Errorf("asking for the instance's role: %w: give the instance a role with packaging/iam/node.json (%w)", errCredentials, err)
	}
	return c, nil
}

// keysFile is a file of AWS' own kind: aws_access_key_id = ..., aws_secret_access_key = ..., aws_session_token = ...; of several profiles the default one.
type keysFile struct {
	path  string
	files *platform.Files
}

func (k keysFile) Retrieve(context.Context) (aws.Credentials, error) {
	found, err := k.read()
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("%w: %w", errCredentials, err)
	}
	return found, nil
}

func (k keysFile) read() (aws.Credentials, error) {
	mode, _, err := k.files.Stat(k.path)
	if err != nil {
		return aws.Credentials{}, err
	}
	if mode.Perm()&0o077 != 0 {
		return aws.Credentials{}, fmt.Errorf("%s holds keys and may be read by others (%v): chmod 600", k.path, mode.Perm())
	}
	text, err := k.files.Read(k.path)
	if err != nil {
		return aws.Credentials{}, err
	}
	values := defaultProfile(text)
	c := aws.Credentials{AccessKeyID: values["aws_access_key_id"], SecretAccessKey: values["aws_secret_access_key"], SessionToken: values["aws_session_token"],
		Source: k.path, CanExpire: true, Expires: time.Now().Add(rereadAfter)}
	if !c.HasKeys() {
		return aws.Credentials{}, fmt.Errorf("%s has no aws_access_key_id and aws_secret_access_key in its default profile", k.path)
	}
	return c, nil
}

// AdjustExpiresBy leaves the time alone at which the file is read again.
func (k keysFile) AdjustExpiresBy(c aws.Credentials, _ time.Duration) (aws.Credentials, error) {
	return c, nil
}

func defaultProfile(text []byte) map[string]string {
	values, profile := map[string]string{}, "default"
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutPrefix(line, "["); ok {
			profile = strings.TrimSpace(strings.TrimSuffix(name, "]"))
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && profile == "default" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return values
}
