// Package wire is how the stand-in ScaleIO daemons talk to each other. The vendor's protocol isn't public; this one exists
// so that the stand-ins fail, lag and recover as separate processes on separate nodes. It is JSON lines over TCP on the product's ports:
// a request line, an answer line, then (for block I/O) that many raw bytes.
package wire

// Ports of the product (reference: community roles and recorded query_cluster output).
const (
	PortMDMManagement = 6611 // scli, gateway, SDC
	PortMDMCluster    = 9011 // MDM and tie-breaker among themselves
	PortSDS           = 7072
)

// ChunkBytes is how much of a volume lives on one pair of devices.
const ChunkBytes = 64 << 20

// A Copy is one of the two places of a chunk.
type Copy struct {
	SDS    string `json:"sds"`    // SDS id
	Addr   string `json:"addr"`   // ip:7072
	Device string `json:"device"` // device id
	Slot   int64  `json:"slot"`   // chunk slot on the device; byte offset is DeviceDataOffset + Slot*ChunkBytes
}

// DeviceDataOffset is where chunk 0 begins; the first MiB holds the device header (magic "SCALEIO-DEV", system id, SDS id, device id).
const DeviceDataOffset = 1 << 20

// A Chunk is allocated on the first write (volumes are thin): no copies means all zero.
type Chunk struct {
	Index  int64  `json:"index"`
	Copies []Copy `json:"copies"` // only those in sync; one while degraded
}

// A Volume as an SDC sees it. Generation rises with every change of any copy; an SDC must not write with an older one: SDSs refuse it.
type Volume struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	SizeBytes  int64   `json:"sizeBytes"`
	Generation int64   `json:"generation"`
	Chunks     []Chunk `json:"chunks"`
}

// SDS requests (to ip:7072). The MDM sends the control ones, SDCs and rebuilding SDSs send read and write.
type SDSRequest struct {
	Op         string `json:"op"` // hello | add-device | remove-device | status | read | read-next | write | copy-chunk | set-generation | zero-chunk (Device/Slot reads as zeros after; with a Volume only if the slot is still its) | detach (forget identity and devices; MDM removed this SDS)
	System     string `json:"system"`
	SDS        string `json:"sds,omitempty"` // hello: the id this SDS is to have; refused if it has another one
	Name       string `json:"name,omitempty"`
	Force      bool   `json:"force,omitempty"`
	Device     string `json:"device,omitempty"`
	Path       string `json:"path,omitempty"`       // add-device
	Volume     string `json:"volume,omitempty"`     // read, write, set-generation, copy-chunk, zero-chunk
	Generation int64  `json:"generation,omitempty"` // of these: lower than the SDS knows for the volume = refused "stale"; a read without one isn't an SDC's
	Slot       int64  `json:"slot,omitempty"`
	Offset     int64  `json:"offset,omitempty"` // within the chunk
	Length     int64  `json:"length,omitempty"` // read, read-next, write (write: this many raw bytes follow the line)
	From       *Copy  `json:"from,omitempty"`   // copy-chunk: fetch the whole chunk from there into Device/Slot
}

// SDSAnswer; for read and read-next, Length raw bytes follow the line. read-next looks from the request's Offset on for bytes, Length of them at
// most, that aren't all zero: those between it and the answer's Offset are zero, or with no answered bytes all to the chunk's end.
type SDSAnswer struct {
	Error   string      `json:"error,omitempty"` // text; "stale" for an old generation
	Code    int         `json:"code,omitempty"`  // product error code where one fits (scaleio.md 2.8)
	SDS     string      `json:"sds,omitempty"`
	System  string      `json:"system,omitempty"`
	Offset  int64       `json:"offset,omitempty"`
	Length  int64       `json:"length,omitempty"`
	Devices []SDSDevice `json:"devices,omitempty"`
}

// SDSDevice is what an SDS knows of a device it has opened.
type SDSDevice struct {
	ID        string `json:"id"`
	Path      string `json:"path"`
	SizeBytes int64  `json:"sizeBytes"`
	Error     string `json:"error,omitempty"`
}

// SDC requests, to the master MDM's ip:6611, one connection kept open; first line {"client":"sdc"}, then requests. The MDM also pushes
// SDCAnswer lines with Seq 0 whenever the maps change.
type SDCRequest struct {
	Seq    int64  `json:"seq"`
	Op     string `json:"op"` // register | allocate | report-failed | ping
	GUID   string `json:"guid,omitempty"`
	IP     string `json:"ip,omitempty"`
	Build  string `json:"build,omitempty"`  // "3.6.700"
	Volume string `json:"volume,omitempty"` // allocate, report-failed
	Chunk  int64  `json:"chunk,omitempty"`  // allocate: gives the chunk its copies (idempotent); answer carries the volume
	SDS    string `json:"sds,omitempty"`    // report-failed: writing to this copy failed; the MDM decides, answers with the new map
	Device string `json:"device,omitempty"`
}

// SDCAnswer. Volumes is the whole set mapped to this SDC.
type SDCAnswer struct {
	Seq      int64    `json:"seq"`
	Error    string   `json:"error,omitempty"` // "not-master" makes the SDC try the next MDM address
	SystemID string   `json:"systemId,omitempty"`
	SDCID    string   `json:"sdcId,omitempty"`
	Install  string   `json:"installationId,omitempty"`
	MDMs     []string `json:"mdms,omitempty"`
	Volumes  []Volume `json:"volumes,omitempty"`
}
