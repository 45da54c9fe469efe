// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
)

// seedLabel is how cloud-init finds a seed: https://docs.cloud-init.io, datasource NoCloud.
const seedLabel = "cidata"

// makeSeed writes a NoCloud seed into dir and opens it to be read: ISO 9660 with Rock Ridge and Joliet names.
func makeSeed(dir runDir, c *CloudInit) (*os.File, error) {
	out, err := dir.create(seedFile, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	files := map[string][]byte{"meta-data": []byte(c.MetaData), "user-data": []byte(c.UserData)}
	// A seed without user-data or meta-data is none, and an empty network-config would be one.
	if c.NetworkData != "" {
		files["network-config"] = []byte(c.NetworkData)
	}
	if err := writeISO(out, seedLabel, files); err != nil {
		return nil, fmt.Errorf("write the cloud-init seed: %w", err)
	}
	return os.Open(dir.path(seedFile))
}
