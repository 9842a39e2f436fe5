/**
 * A NAT in user space, as homes have one: packets that the kernel routes into its TUN come back with the source address
 * translated; from outside only those come in that answer (address- and port-dependent filtering, RFC 4787). TCP and UDP
 * over IPv4, everything else is dropped. Arguments: device, inside address prefix, public address.
 */
import { check, ioctl, open, Poller, pinned, read, write } from '../../dist/lab/libc.js'

const [device = '', inside = '', outside = ''] = process.argv.slice(2)
const TUNSETIFF = 0x400454ca
const IFF_TUN_NO_PI = 0x1001
const O_RDWR_NONBLOCK = 0x802
const TCP = 6
const UDP = 17
const FIRST_PORT = 40_000

const fd = check(open('/dev/net/tun', O_RDWR_NONBLOCK), 'open /dev/net/tun')
const request = pinned(40)
request.buffer.write(device, 'latin1')
request.view.setInt16(16, IFF_TUN_NO_PI, true)
check(ioctl(fd, TUNSETIFF, request.address), 'TUNSETIFF')

const packet = pinned(65_536)
const { view, buffer } = packet
/** `protocol/address:port` inside -> public port, and back. */
const ports = new Map()
const owners = new Map()
/** `protocol/public port/address:port` that was sent to. */
const known = new Set()
let nextPort = FIRST_PORT
let refused = 0

const addressAt = (offset) => buffer.subarray(offset, offset + 4).join('.')
const numberOf = (address) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)

/** Replaces a 16-bit word and mends a checksum (RFC 1624, equation 3). */
function put(offset, value, ...checksums) {
  const old = view.getUint16(offset)
  for (const at of checksums) {
    let sum = (~view.getUint16(at) & 0xffff) + (~old & 0xffff) + value
    sum = (sum & 0xffff) + (sum >>> 16)
    sum = (sum & 0xffff) + (sum >>> 16)
    view.setUint16(at, ~sum & 0xffff)
  }
  view.setUint16(offset, value)
}

function translate(addressOffset, portOffset, address, port, checksums, transport) {
  const number = numberOf(address)
  put(addressOffset, number >>> 16, ...checksums)
  put(addressOffset + 2, number & 0xffff, ...checksums)
  put(portOffset, port, ...transport)
}

function route(length) {
  const protocol = buffer[9]
  const header = ((buffer[0] ?? 0) & 15) * 4
  if (length < header + 8 || (buffer[0] ?? 0) >> 4 !== 4 || (protocol !== TCP && protocol !== UDP)) return
  const transport = [header + (protocol === TCP ? 16 : 6)]
  const [from, to] = [addressAt(12), addressAt(16)]
  const [fromPort, toPort] = [view.getUint16(header), view.getUint16(header + 2)]
  if (from.startsWith(inside)) {
    const key = `${protocol}/${from}:${fromPort}`
    if (!ports.has(key)) {
      ports.set(key, nextPort)
      owners.set(`${protocol}/${nextPort}`, { address: from, port: fromPort })
      nextPort += 1
    }
    const port = ports.get(key)
    known.add(`${protocol}/${port}/${to}:${toPort}`)
    translate(12, header, outside, port, [10, ...transport], transport)
  } else {
    const owner = owners.get(`${protocol}/${toPort}`)
    if (to !== outside || owner === undefined || !known.has(`${protocol}/${toPort}/${from}:${fromPort}`)) {
      refused += 1
      return
    }
    translate(16, header + 2, owner.address, owner.port, [10, ...transport], transport)
  }
  write(fd, packet.address, length)
}

const poller = new Poller([fd])
process.on('message', () => process.send?.({ mappings: ports.size, refused }))
process.send?.('ready')
function run() {
  poller.wait(5000)
  for (let length = 0; ; ) {
    length = read(fd, packet.address, 65_536)
    if (length <= 0) break
    route(length)
  }
  setImmediate(run)
}
run()
