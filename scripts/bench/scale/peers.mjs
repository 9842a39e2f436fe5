/**
 * What connected peers cost a real daemon: a challenger in a process of its own, with `maxPeers` raised above them, and that many
 * light peers in processes of some hundreds each, all connected. After each step its resident memory and processor time of an
 * idle while (their pings, heartbeats and gossip's upkeep); then what it costs to check announcements and pass them on.
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@noble/hashes/utils.js'
import { stringify } from 'yaml'

const dist = (path) => import(new URL(`../../../dist/${path}`, import.meta.url).href)
const { localBeacon } = await dist('crypto/beacon.js')
const { Identity } = await dist('crypto/identity.js')
const { saveIdentity } = await dist('crypto/keystore-file.js')
const { signRegistry } = await dist('pob/registry.js')

const IDLE_SECONDS = 30
const SETTLE_SECONDS = 15
const PEERS_A_PROCESS = 250
/** Peers that the node keeps beside those that the bench connects. */
const SPARE_PEERS = 50
/** Announced every ten minutes by each; here faster, so that it can be told from the rest. */
const ANNOUNCEMENTS = 200
const ANNOUNCEMENTS_PER_SECOND = 5
/** USER_HZ, which Linux fixes for user space. */
const TICKS_PER_SECOND = 100
const PASSPHRASE = 'peers'
const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

/** @returns steps at none, a quarter, a half and all of `count` peers, and what an announcement costs with all of them */
export async function measurePeers(count) {
  const directory = await mkdtemp(join(tmpdir(), 'plb-peers-'))
  const children = []
  try {
    const { daemon, address } = await startNode(directory, count)
    children.push(daemon)
    const processes = Math.ceil(count / PEERS_A_PROCESS)
    const crowds = await Promise.all(
      Array.from({ length: processes }, async () => {
        const crowd = fork(fileURLToPath(new URL('./light-peer.mjs', import.meta.url)), [address], {
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        })
        children.push(crowd)
        await once(crowd, 'message')
        return crowd
      }),
    )
    const steps = [{ peers: 0, ...(await idle(daemon.pid)) }]
    for (const target of [count / 4, count / 2, count].map(Math.round)) {
      const share = Math.ceil(target / processes)
      const startedMs = performance.now()
      await Promise.all(crowds.map((crowd) => asked(crowd, { connect: share })))
      const connectSeconds = (performance.now() - startedMs) / 1000
      await sleep(SETTLE_SECONDS * 1000)
      const measured = await idle(daemon.pid)
      const there = await Promise.all(crowds.map((crowd) => asked(crowd, { connect: 0 })))
      const peers = there.reduce((sum, { connected }) => sum + connected, 0)
      steps.push({ peers, connectSeconds, ...measured })
      console.error(`${peers} of ${share * processes} peers connected`)
    }
    return { steps, gossip: await gossipCost(daemon.pid, crowds, steps.at(-1)) }
  } finally {
    for (const child of children) child.kill()
    await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')))
    await rm(directory, { recursive: true, force: true })
  }
}

async function asked(crowd, message) {
  const answer = once(crowd, 'message')
  crowd.send(message)
  const [said] = await answer
  return said
}

/** Announcements of the first crowd, checked by the node and passed on to its mesh; what it costs beside the idle upkeep. */
async function gossipCost(pid, [first, ...others], { processorPercent, peers }) {
  const heardBefore = await Promise.all(others.map((crowd) => asked(crowd, { connect: 0 })))
  const before = await usage(pid)
  const told = await asked(first, { announce: ANNOUNCEMENTS, perSecond: ANNOUNCEMENTS_PER_SECOND })
  const after = await usage(pid)
  const heardAfter = await Promise.all(others.map((crowd) => asked(crowd, { connect: 0 })))
  const passedOn = heardAfter.reduce((sum, { heard }, i) => sum + heard - heardBefore[i].heard, told.heard)
  const seconds = after.seconds - before.seconds - (processorPercent / 100) * told.seconds
  return {
    peers,
    announcements: ANNOUNCEMENTS,
    copiesEach: passedOn / ANNOUNCEMENTS,
    processorMsEach: (1000 * seconds) / ANNOUNCEMENTS,
  }
}

async function startNode(directory, count) {
  const identity = Identity.generate()
  const secret = new Uint8Array(32).fill(7)
  secret[0] = 0
  const genesisTimeSeconds = Math.floor(Date.now() / 1000)
  const beacon = localBeacon(secret, { genesisTimeSeconds, periodSeconds: 3 })
  // Another 127.x each time: runs may stand side by side.
  const host = `127.${1 + Math.floor(Math.random() * 250)}.7.1`
  const registry = join(directory, 'registry.json')
  const listen = `/ip4/${host}/tcp/4021`
  const entry = {
    publicKey: identity.publicKey,
    operator: 'operator',
    host,
    udpPort: 4022,
    addresses: [listen],
    uplinkKbps: 100_000,
  }
  await writeFile(registry, signRegistry([entry], Identity.generate()))
  const dataDir = join(directory, 'node')
  await mkdir(dataDir, { mode: 0o700 })
  await saveIdentity(join(dataDir, 'key.json'), identity, PASSPHRASE, { scryptCost: 1024 })
  const config = {
    registry: { path: registry },
    beacon: {
      kind: 'local',
      urls: ['http://127.0.0.1:1'],
      publicKey: bytesToHex(beacon.publicKey),
      genesisTimeSeconds,
      periodSeconds: 3,
    },
    network: { listen: [listen], bootstrap: [], maxPeers: count + SPARE_PEERS },
    dataPlane: { host, udpPort: 4022 },
    challenger: { uplinkMbps: 100, operator: 'operator' },
    logging: { level: 'warn', format: 'json' },
  }
  await writeFile(join(dataDir, 'config.yaml'), stringify(config))
  const daemon = spawn(process.execPath, [MAIN, 'challenger', '--data-dir', dataDir, '--json-stream'], {
    env: { ...process.env, PLUMBLINE_PASSPHRASE: PASSPHRASE },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve, reject) => {
    daemon.stdout.on('data', (text) => String(text).includes('"started"') && resolve())
    daemon.once('exit', () => reject(new Error('the node ended')))
  })
  return { daemon, address: `${listen}/p2p/${identity.peerId}` }
}

/** Resident megabytes (10^6 bytes) and processor seconds of a process, its threads included. */
async function usage(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const residentKb = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0)
  const stat = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
  const seconds = (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND
  return { residentMb: (residentKb * 1024) / 1e6, seconds }
}

async function idle(pid) {
  const [before, startedMs] = [await usage(pid), performance.now()]
  await sleep(IDLE_SECONDS * 1000)
  const after = await usage(pid)
  const seconds = (performance.now() - startedMs) / 1000
  return {
    residentMb: after.residentMb,
    processorPercent: (100 * (after.seconds - before.seconds)) / seconds,
  }
}
