package mailbox_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No poller, session or server may outlive its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
