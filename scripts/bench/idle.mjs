#!/usr/bin/env node
/**
 * `npm run bench -- idle [--seconds 20] [--role prover|challenger] [--json]`: resident memory and processor time of a
 * daemon that has nothing to do: a network of one's own, connected to two peers that idle likewise. Exit status 1
 * above 160 MB or 1 % of a core.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bytesToHex } from '@noble/hashes/utils.js'
import { stringify } from 'yaml'

const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href)
const { localBeacon } = await dist('crypto/beacon.js')
const { Identity } = await dist('crypto/identity.js')
const { saveIdentity } = await dist('crypto/keystore-file.js')
const { signRegistry } = await dist('pob/registry.js')

const RSS_TARGET_MB = 160
const CPU_TARGET_PERCENT = 1
/** Start-up's garbage is collected and its timers have run by then. */
const SETTLE_SECONDS = 10
/** USER_HZ, which Linux fixes for user space. */
const TICKS_PER_SECOND = 100
const PASSPHRASE = 'idle'
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'idle'),
  options: {
    seconds: { type: 'string', default: '20' },
    settle: { type: 'string', default: String(SETTLE_SECONDS) },
    role: { type: 'string', default: 'prover' },
    json: { type: 'boolean', default: false },
  },
})
if (process.platform !== 'linux') {
  console.error('bench idle: skipped: it reads /proc, which only Linux has')
  process.exit(0)
}

/** Resident megabytes (10^6 bytes) and processor seconds of a process, its threads included. */
async function usage(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const field = (name) => (Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024) / 1e6
  const stat = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
  const seconds = (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND
  return { rss: field('VmRSS'), peak: field('VmHWM'), seconds }
}

const directory = await mkdtemp(join(tmpdir(), 'plb-idle-'))
const children = []
try {
  const secret = new Uint8Array(32).fill(7)
  secret[0] = 0
  const genesisTimeSeconds = Math.floor(Date.now() / 1000)
  const beacon = localBeacon(secret, { genesisTimeSeconds, periodSeconds: 3 })
  const names = [values.role, 'challenger', 'challenger']
  // Another 127.x each time: runs may stand side by side.
  const net = 1 + Math.floor(Math.random() * 250)
  const nodes = names.map((role, i) => ({ role, identity: Identity.generate(), host: `127.${net}.${i}.1` }))
  const registry = join(directory, 'registry.json')
  const entries = nodes
    .filter(({ role }) => role === 'challenger')
    .map(({ identity, host }, i) => ({
      publicKey: identity.publicKey,
      operator: `operator-${i}`,
      host,
      udpPort: 4022,
      addresses: [`/ip4/${host}/tcp/4021`],
      uplinkKbps: 100_000,
    }))
  await writeFile(registry, signRegistry(entries, Identity.generate()))
  for (const [i, { role, identity, host }] of nodes.entries()) {
    const dataDir = join(directory, String(i))
    await mkdir(dataDir, { mode: 0o700 })
    await saveIdentity(join(dataDir, 'key.json'), identity, PASSPHRASE, { scryptCost: 1024 })
    const others = nodes.filter((each) => each.identity !== identity)
    const config = {
      registry: { path: registry },
      beacon: {
        kind: 'local',
        urls: ['http://127.0.0.1:1'],
        publicKey: bytesToHex(beacon.publicKey),
        genesisTimeSeconds,
        periodSeconds: 3,
      },
      network: {
        listen: [`/ip4/${host}/tcp/4021`],
        bootstrap: others.map((each) => `/ip4/${each.host}/tcp/4021/p2p/${each.identity.peerId}`),
      },
      dataPlane: { host, udpPort: 4022 },
      challenger: { uplinkMbps: 100, operator: `operator-${i}` },
      prover: { claimMbps: 100 },
      logging: { level: 'warn', format: 'json' },
    }
    await writeFile(join(dataDir, 'config.yaml'), stringify(config))
    const child = spawn(process.execPath, [MAIN, role, '--data-dir', dataDir, '--json-stream'], {
      env: { ...process.env, PLUMBLINE_PASSPHRASE: PASSPHRASE },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    await new Promise((resolve, reject) => {
      child.stdout.on('data', (text) => String(text).includes('"started"') && resolve())
      child.once('exit', () => reject(new Error(`the ${role} ended`)))
    })
  }
  const { pid } = children[0]
  await sleep(Number(values.settle) * 1000)
  const before = await usage(pid)
  await sleep(Number(values.seconds) * 1000)
  const after = await usage(pid)
  const round = (value) => Math.round(value * 100) / 100
  const report = {
    role: values.role,
    rssMb: round(after.rss),
    peakRssMb: round(after.peak),
    cpuPercent: round((100 * (after.seconds - before.seconds)) / Number(values.seconds)),
    seconds: Number(values.seconds),
    targets: { rssMb: RSS_TARGET_MB, cpuPercent: CPU_TARGET_PERCENT },
  }
  if (values.json) console.log(JSON.stringify(report, null, 2))
  else
    console.log(
      `idle ${report.role}: ${report.rssMb} MB resident (target ${RSS_TARGET_MB}, peak ${report.peakRssMb}), ` +
        `${report.cpuPercent} % of a core over ${report.seconds} s (target ${CPU_TARGET_PERCENT})`,
    )
  process.exitCode = report.rssMb <= RSS_TARGET_MB && report.cpuPercent < CPU_TARGET_PERCENT ? 0 : 1
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(
    children.map((child) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve))),
  )
  await rm(directory, { recursive: true, force: true })
}
