// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"testing"

	"github.com/tapir-vm/tapir/internal/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }
