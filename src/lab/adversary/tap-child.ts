/**
 * Somebody on the path between members and prover, in the core namespace, who listens (AF_PACKET) and tells accomplices
 * over the side channel what goes by: all small datagrams, and a few of each train.
 */
import { readFile } from 'node:fs/promises'
import { DatagramType } from '../../pob/datagram.js'
import {
  check,
  pinned,
  recvfrom,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  setIntOption,
  socket,
} from '../libc.js'
import { encodeCaptured, headerOf, parseCaptured } from './capture.js'
import { SideChannel } from './side-channel.js'

export interface TapSpec {
  readonly sideChannelPath: string
}

const AF_PACKET = 17
/** ETH_P_IP in network order. */
const ETH_P_IP = 0x0008
/** Of struct sockaddr_ll: where a packet comes from, and the value for one that leaves. */
const SOCKADDR_LL_BYTES = 20
const PACKET_TYPE_OFFSET = 10
const PACKET_OUTGOING = 4
/** More of a packet than a data packet has is another segment of a super-packet. */
const SNAP_BYTES = 1536
const RECEIVE_BUFFER_BYTES = 4 * 2 ** 20
const POLL_MS = 2
const PACKETS_A_POLL = 400
/** Of each sender, and of everything but data. */
const DATA_A_SECOND = 40
const OTHERS_A_SECOND = 400

async function main(specPath: string): Promise<void> {
  const { sideChannelPath } = JSON.parse(await readFile(specPath, 'utf8')) as TapSpec
  const channel = new SideChannel(sideChannelPath)
  const fd = check(
    socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, ETH_P_IP),
    'opening a packet socket',
  )
  setIntOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
  const packet = pinned(SNAP_BYTES)
  const name = pinned(SOCKADDR_LL_BYTES)
  const nameLength = pinned(4)
  const told = new Map<string, number>()
  setInterval(() => told.clear(), 1000)

  const takeSome = (): void => {
    for (let i = 0; i < PACKETS_A_POLL; i++) {
      nameLength.view.setInt32(0, SOCKADDR_LL_BYTES, true)
      const length = recvfrom(fd, packet.address, SNAP_BYTES, 0, name.address, nameLength.address)
      if (length < 0) return
      // Forwarded packets are seen twice: as they come, and as they leave.
      if (name.buffer[PACKET_TYPE_OFFSET] === PACKET_OUTGOING) continue
      const captured = parseCaptured(packet.buffer, length)
      if (captured === undefined) continue
      const isData = headerOf(captured.payload).type === DatagramType.data
      const kind = isData ? captured.from.host : 'others'
      const count = (told.get(kind) ?? 0) + 1
      if (count > (isData ? DATA_A_SECOND : OTHERS_A_SECOND)) continue
      told.set(kind, count)
      channel.cast(encodeCaptured(captured))
    }
  }
  setInterval(takeSome, POLL_MS)
  process.once('disconnect', () => process.exit(0))
  process.send?.({ kind: 'ready' })
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
