// SPDX-License-Identifier: Apache-2.0

package vm

// seedLabel is how cloud-init finds a seed: https://docs.cloud-init.io, datasource NoCloud.
const seedLabel = "cidata"

// makeSeed makes the drive of a NoCloud seed in dir.
func makeSeed(dir runDir, d Disk, c *CloudInit) (*drive, error) {
	files := map[string][]byte{"meta-data": []byte(c.MetaData), "user-data": []byte(c.UserData)}
	// A seed without user-data or meta-data is none, and an empty network-config would be one.
	if c.NetworkData != "" {
		files["network-config"] = []byte(c.NetworkData)
	}
	return makeISO(dir, d, seedFile, seedLabel, files)
}
