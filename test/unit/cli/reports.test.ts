import { describe, expect, it } from 'vitest'
import { jobText } from '../../../src/cli/audit.js'
import { startedText } from '../../../src/cli/daemon.js'
import { findingText } from '../../../src/cli/doctor.js'
import { atLayer, resultAtLayer } from '../../../src/cli/layer.js'
import { MeasureProgress } from '../../../src/cli/measure-progress.js'
import { measureSummary } from '../../../src/cli/measure-summary.js'
import { bar, Progress } from '../../../src/cli/progress.js'
import { soldPrices, soldText } from '../../../src/cli/sold-prices.js'
import { statusText } from '../../../src/cli/status.js'
import { configSchema } from '../../../src/config/schema.js'
import type { DaemonStatus } from '../../../src/node/daemon.js'
import { QUALITY_FLAGS, type QualityFlag } from '../../../src/pob/flags.js'
import type { ProgressEvent } from '../../../src/roles/coordinator.js'
import type { MeasureResult } from '../../../src/roles/measure-result.js'
import { FakeTerminal } from './in-process.js'

const plain = (_: unknown, text: string): string => text
const PEER = '16Uiu2HAm6tPmyFMX5HuqfzKPJJmAqJJhytPf9yaqL7E7R4pxRrrp'
const tooWide = (text: string): string[] => text.split('\n').filter((line) => line.length > 80)

const RESULT: MeasureResult = {
  challengeId: `0x${'ab'.repeat(32)}`,
  prover: PEER,
  direction: 'down',
  profile: 'standard',
  claimMbps: 250,
  estimateMbps: 248.912,
  guaranteedMbps: 243.021,
  interval: { lowMbps: 243.021, highMbps: 286.2 },
  durationMs: 4321,
  bytes: 22_500_000,
  trafficBytes: 30_100_000,
  packets: 15_669,
  slots: [0, 1, 2].map((team) => ({ team, valueMbps: 243 + team, attempt: 0 })),
  lossPct: 17.1,
  rttMs: { min: 4.2, median: 18.25 },
  jitterMs: 0.21,
  telemetry: {
    guaranteed: false,
    latency: {
      idle: { samples: 80, lossPct: 0, minMs: 4.1, medianMs: 18.2, p95Ms: 30.4, variationMs: 0.4 },
      loaded: { samples: 50, lossPct: 12.5, minMs: 30, medianMs: 61.4, p95Ms: 90, variationMs: 2 },
      increaseMs: 43.2,
      grade: 'B',
      rpm: 970,
      isStillRising: true,
    },
    delayVariationMs: { median: 0.08, p95: 0.94 },
    reordering: { reorderedPct: 0.012, maxExtent: 3 },
  },
  challengers: Array.from({ length: 10 }, (_, i) => ({
    peerId: PEER,
    address: '0xD48588F50b0ed84d296a32e61aFcCB5F8DD90dC5',
    accepted: i < 6,
    bytes: 1,
    startMs: 0,
    endMs: 200,
    rttMs: 18,
    flags: i === 9 ? ['unresponsive'] : i >= 6 ? ['not_needed'] : [],
  })),
  faultTolerance: {
    n: 10,
    f: 2,
    teams: 5,
    members: 2,
    assumptions:
      'holds if at most 2 of these 10 challengers are corrupt, whatever the prover does (5 teams of 2)',
  },
  quality: Object.keys(QUALITY_FLAGS) as QualityFlag[],
  tauMs: 210,
  transcript: { path: '/tmp/x.pob', sha256: '00'.repeat(32) },
  repeats: 1,
  attempts: 4,
  beacon: { kind: 'drand', round: 12_345_678 },
  trust: { registry: '11'.repeat(32), beacon: '22'.repeat(32), level: 'anchored' },
}

describe('layers', () => {
  it('adds the Ethernet header, or leaves the UDP payload', () => {
    expect(atLayer(1436, 2)).toBe(1450)
    expect(atLayer(1436, 3)).toBe(1436)
    expect(atLayer(1436, 4)).toBe(1408)
  })

  it('converts every rate of a result, and nothing else', () => {
    const converted = resultAtLayer(RESULT, 4)
    const unconverted = JSON.parse(JSON.stringify(converted), (key, value) =>
      /Mbps$/.test(key) ? Number(((value * 1436) / 1408).toFixed(2)) : value,
    )
    const rounded = JSON.parse(JSON.stringify(RESULT), (key, value) =>
      /Mbps$/.test(key) ? Number(value.toFixed(2)) : value,
    )
    expect(unconverted).toEqual({ ...rounded, layer: 4 })
  })
})

describe('the summary of a measurement', () => {
  const text = measureSummary({ ...RESULT, layer: 3 }, 'plumbline verify /tmp/x.pob', plain)

  it('fits 80 columns', () => {
    expect(tooWide(text)).toEqual([])
  })

  it('puts the assumption beside the guarantee, and explains every flag', () => {
    const flat = text.replace(/\s+/g, ' ')
    expect(flat).toContain(`Guaranteed 243.0 Mbit/s ${RESULT.faultTolerance.assumptions}`)
    for (const sentence of Object.values(QUALITY_FLAGS)) expect(flat).toContain(sentence)
  })

  it('says of a queue that still grew that it may be worse', () => {
    expect(text.replace(/\s+/g, ' ')).toContain(
      '61.4 ms under load (at least +43.2 ms): bufferbloat B or worse, at most 970 RPM (round trips still rose',
    )
    const { telemetry } = RESULT
    const steady = { ...telemetry, latency: { ...telemetry.latency, isStillRising: false } }
    const other = measureSummary({ ...RESULT, telemetry: steady, layer: 3 }, '', plain).replace(/\s+/g, ' ')
    expect(other).toContain('under load (+43.2 ms): bufferbloat B, 970 RPM; probes lost')
  })

  it('holds what an operator asks for', () => {
    for (const wanted of [
      '248.9',
      '22.5 MB',
      '1 of 4 slots repeated',
      '18.3 ms',
      '17.1 %',
      '6 of 10',
      'unresponsive',
    ])
      expect(text).toContain(wanted)
    expect(text).toContain('plumbline verify /tmp/x.pob')
    expect(text).not.toContain('not_needed')
  })
})

const EVENTS: ProgressEvent[] = [
  { event: 'requested', challengeId: 'ab', round: 7, waitSeconds: 2, leastBytes: 22.6e6, mostBytes: 565.2e6 },
  { event: 'quoted', feeWei: '1234567890123456', gasFeeWei: '1234567890123456', haveWei: '1234567890123456' },
  {
    event: 'drawn',
    committee: Array(10).fill('aa'),
    teams: 5,
    teamSize: 2,
    memberRateMbps: 150,
    allOn: false,
  },
  {
    event: 'paths',
    tauMs: 210,
    paths: [
      { ready: 1, rttMicros: 5200, jitterMicros: 100 },
      { ready: 1, rttMicros: 38_100, jitterMicros: 100 },
      {
        ready: 0,
        rttMicros: 0,
        jitterMicros: 0,
        reason: 'a reason that is much longer than a line of eighty columns has room for',
      },
    ],
  },
  { event: 'slot_started', slot: 0, attempt: 0, of: 5 },
  { event: 'slot_ended', slot: 0, attempt: 0, valueMbps: 120, dirty: true, failed: false },
  { event: 'slot_started', slot: 0, attempt: 1, of: 5 },
  { event: 'slot_ended', slot: 0, attempt: 1, valueMbps: 240, dirty: false, failed: false },
  { event: 'slot_started', slot: 1, attempt: 0, of: 5 },
  { event: 'slot_ended', slot: 1, attempt: 0, valueMbps: 0, dirty: false, failed: true },
  { event: 'voted', votes: 10, needed: 8 },
  { event: 'signed', signatures: 9, needed: 8 },
]

describe('progress', () => {
  const show = (isTTY: boolean, enabled = true): string => {
    const terminal = new FakeTerminal(isTTY)
    const progress = new Progress(terminal, {}, enabled)
    const view = new MeasureProgress(progress, { claimMbps: 250, layer: 3 })
    view.start()
    for (const event of EVENTS) view.on(event)
    progress.stop()
    return terminal.text
  }

  it('writes finished lines only where there is no terminal', () => {
    const text = show(false)
    expect(text).not.toContain('\u001b')
    expect(tooWide(text)).toEqual([])
    expect(text).toContain('about 22.6 MB; longer round trips and repeats may make it 565.2 MB')
    expect(text).toContain('up to 5 teams of 2, 150.0 Mbit/s each')
    expect(text).toContain('2 of 3 open, round trips 5.2 ms to 38.1 ms')
    expect(text).toMatch(/slot 1 +\[#+\.+\] +240\.0 Mbit\/s\n/)
    expect(text).toContain('late sender')
    expect(text).toContain('failed')
  })

  it('redraws one line on a terminal, and leaves the same lines behind', () => {
    const text = show(true)
    expect(text).toContain('\r\u001b[2K')
    const left = text.split('\n').map((line) => line.split('\r\u001b[2K').at(-1))
    expect(left.join('\n')).toBe(show(false))
    const drawn = text.split('\n').flatMap((line) => line.split('\r\u001b[2K'))
    expect(drawn.filter((line) => line.length > 79)).toEqual([])
  })

  it('says nothing where a program reads', () => {
    expect(show(true, false)).toBe('')
  })

  it('keeps the log above the live line', () => {
    const terminal = new FakeTerminal(true)
    const progress = new Progress(terminal, {})
    progress.live(() => 'working')
    progress.above('a line of the log\n')
    progress.stop()
    expect(terminal.text.split('\r\u001b[2K')).toEqual([
      '',
      '| working',
      'a line of the log\n',
      '/ working',
      '',
    ])
  })

  it('keeps what others write apart from the live line', () => {
    const terminal = new FakeTerminal(true)
    const progress = new Progress(terminal, {})
    progress.live(() => 'looking')
    progress.aside(() => terminal.write('Sending it to somebody\n'))
    progress.stop()
    progress.aside(() => terminal.write('done\n'))
    expect(terminal.text.split('\r\u001b[2K')).toEqual([
      '',
      '| looking',
      'Sending it to somebody\n',
      '/ looking',
      'done\n',
    ])
  })

  it('never counts more jobs of an audit than there are', () => {
    expect([0, 2, 3].map((done) => jobText(done, 3, 1000))).toEqual([
      'running job 1 of 3, 1 s',
      'running job 3 of 3, 1 s',
      'running job 3 of 3, 1 s',
    ])
  })

  it('fills bars in proportion, within bounds', () => {
    expect(bar(0, 4)).toBe('[....]')
    expect(bar(0.5, 4)).toBe('[##..]')
    expect(bar(7, 4)).toBe('[####]')
    expect(bar(-1, 4)).toBe('[....]')
  })
})

describe('status and doctor', () => {
  it('a prover that starts names an address that leads to it from elsewhere', () => {
    const addresses = ['/ip4/127.0.0.1/tcp/4021/p2p/x', '/ip4/192.0.2.7/tcp/4021/p2p/x']
    const started = { peerId: 'x', address: '0x', addresses, roles: ['prover'] as const }
    expect(startedText(started, 50)).toContain('plumbline measure /ip4/192.0.2.7/tcp/4021/p2p/x --claim 50')
    const alone = { ...started, addresses: addresses.slice(0, 1) }
    expect(startedText(alone, 50)).toContain('plumbline measure /ip4/127.0.0.1/tcp/4021/p2p/x --claim 50')
  })

  it('a provider that starts shows each model with its price a unit', async () => {
    const { inference } = configSchema.parse({
      inference: {
        provider: {
          models: ['asr-small=2000 gwei', 'language-id=0 wei'],
          upstream: {
            url: 'http://127.0.0.1:9',
            models: ['v/tts=1 gwei', 'other=0 wei'],
            tasks: ['v/tts=speak'],
          },
        },
      },
    })
    const sold = await soldPrices({ ...configSchema.parse({}), dataDir: '/no/such/directory', inference })
    const lines = sold.map((each) => soldText(each, (wei) => `${wei} wei`))
    expect(lines).toEqual([
      'asr-small at 2000000000000 wei an audio-second',
      'language-id for nothing',
      'v/tts at 1000000000 wei a unit',
      'other for nothing',
    ])
    const started = { peerId: 'x', address: '0x', addresses: ['/ip4/192.0.2.7/tcp/1/p2p/x'] }
    const shown = startedText({ ...started, roles: ['provider'] }, undefined, lines)
    expect(shown).toContain(`  sells      ${lines[0]}\n             ${lines[1]}\n`)
    const many = startedText({ ...started, roles: ['provider'] }, undefined, Array(15).fill('a'))
    expect(many).toContain('and 3 more')
  })

  const status: DaemonStatus = {
    peerId: PEER,
    address: '0xD48588F50b0ed84d296a32e61aFcCB5F8DD90dC5',
    roles: ['prover', 'challenger'],
    addresses: [`/ip4/192.0.2.1/tcp/4021`],
    peers: 3,
    uptimeSeconds: 93_784,
    dataPlane: {
      name: 'native',
      reason: 'Linux x64: recvmmsg, sendmmsg and kernel timestamps',
      timestamps: 'kernel',
    },
    registry: { path: '/data/registry.json', entries: 12, listed: false },
    chain: {
      chainId: 31337,
      isKnown: true,
      registered: true,
      seats: 2,
      pendingTransactions: 1,
      balanceWei: '1250000000000000000',
      depositWei: '50000000000000000',
      claimableWei: '1000000000000000',
      problems: [],
    },
    prover: { challenge: 'ab'.repeat(32), bytesThisMonth: 1.5e9 },
    challenger: { challenges: 1, sentBytes: 2e9 },
    provider: null,
    auditor: null,
    transcripts: 4,
    memoryMiB: 120,
    healthy: false,
    problems: ['this challenger is not in the registry, so it is never drawn'],
  }

  it('shows a status in 80 columns, the trouble first', () => {
    const text = statusText(status, plain)
    expect(tooWide(text)).toEqual([])
    expect(text).toMatch(
      /^in trouble: prover, challenger running for 1 d 2 h, 3 peers, 120 MiB\n +this challenger/,
    )
    expect(text).toContain('1.5 GB received this month')
    expect(text).toContain('31337, 2 seats, 1 transaction waiting')
    expect(text).toContain('1.25 ETH for gas, 0.05 ETH deposited')
    expect(text).not.toContain('provider')
  })

  it('shows what a provider does, sells and has earned', () => {
    const provider = { models: ['asr-small'], jobs: 2, served: 41, channels: 0, unredeemedWei: '0' }
    if (status.chain === null) throw new Error('there is a chain')
    const silent = statusText({ ...status, chain: { ...status.chain, isKnown: false } }, plain)
    expect(silent).toMatch(/chain +31337, what this node has there is not known yet\n/)
    expect(silent).not.toMatch(/for gas|seats|registered/)
    const free = statusText({ ...status, provider }, plain)
    expect(free).toMatch(/provider +2 jobs under way, 41 done\n +sells asr-small\n/)
    expect(free).not.toContain('channel')
    const models = ['asr-small', 'language-id', 'mms-\u001bx', 'voice', 'words']
    const sold = { ...provider, models, channels: 1, unredeemedWei: '2500000000000000' }
    const text = statusText({ ...status, provider: sold }, plain)
    expect(tooWide(text)).toEqual([])
    expect(text).toContain('and 2 more')
    expect(text).toContain('1 channel, 0.0025 ETH not redeemed yet')
    expect(text).not.toContain('\u001b')
  })

  it('shows a finding with its remedy, and no control characters of others', () => {
    const text = findingText(
      {
        check: 'tcp port',
        verdict: 'problem',
        message: 'port 4021 is \u001b[31mclosed',
        remedy: 'open it '.repeat(12),
      },
      plain,
    )
    expect(tooWide(text)).toEqual([])
    expect(text).toContain('PROBLEM tcp port')
    expect(text).toContain('-> open it')
    expect(text).not.toContain('\u001b')
    const long = findingText(
      { check: 'model language-id', verdict: 'ok', message: 'is there, '.repeat(9) },
      plain,
    )
    expect(tooWide(long)).toEqual([])
    expect(long).toMatch(/^ {2}ok {6}model language-id\n {26}is there/)
  })
})
