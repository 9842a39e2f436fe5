/** What a newcomer sees at the end of the demo: within 80 columns, steps named alike, and what each balance came to. */
import { expect, it } from 'vitest'
import { type DemoResult, demoText } from '../../../src/cli/demo.js'

const party = (name: string, did: string[], beforeWei: string, afterWei: string) => ({
  party: name,
  address: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  did,
  gasUsed: 828_589,
  beforeWei,
  afterWei,
})

const RESULT = {
  truth: { rateMbps: 100, notes: ['100 Mbit/s of layer 3 = 100.9749 Mbit/s of layer 2', 'queue of 50 ms'] },
  measurement: {
    estimateMbps: 99.87,
    guaranteedMbps: 99.8,
    errorPct: 0.13,
    bytes: 9e6,
    faultTolerance: { n: 10, assumptions: 'holds if at most 2 of these 10 challengers are corrupt' },
    settlement: { transactions: [{ step: 'committee', gasUsed: 270_382 }] },
  },
  verified: { level: 'settled', faults: [], milliseconds: 935 },
  balances: [
    party(
      'payer',
      ['open', 'submit round', 'fixCommittee', 'settle', 'withdraw'],
      '10000000000000000000000',
      '9999999317141000000000',
    ),
    party('challenger-9', ['claim', 'claim'], '0', '935725000000000'),
    party('challenger-8', [], '7', '7'),
  ],
  noChain: null,
  jobs: [
    {
      task: 'transcribe',
      model: 'asr-small',
      answer: 'please press one to accept this call',
      provider: '16Uiu2HAm',
      priceWei: '300000000000000',
      units: 3,
      receipt: '37282d4c3cd6166f37282d4c3cd6166f37282d4c3cd6166f37282d4c3cd6166f',
      wallMs: 2100,
      audit: 'good',
    },
    {
      task: 'identify',
      model: 'language-id',
      answer: 'eng',
      provider: '16Uiu2HAm',
      priceWei: '300000000000000',
      units: 3,
      receipt: '4d4c3cd6166f37282d4c3cd6166f37282d4c3cd6166f37282d4c3cd6166f3728',
      wallMs: 300,
      audit: 'bad',
    },
  ],
  channel: { depositWei: '10000000000000000', redeemedWei: '600000000000000' },
  notSold: ['no speech: no built-in model for it is installed'],
} as unknown as DemoResult

it('fits 80 columns, and says who was paid what', () => {
  const lines = demoText(RESULT).split('\n')
  expect(lines.filter((line) => line.length > 80)).toEqual([])
  const row = (name: string) => lines.find((line) => line.startsWith(name))?.split(/ {2,}/)
  expect(row('payer')).toEqual(['payer', 'open, round, committee, settle, withdraw', '828,589', '-0.0006829'])
  expect(row('challenger-9')).toEqual(['challenger-9', 'claim', '828,589', '+0.0009357'])
  expect(row('challenger-8')?.at(-1)).toBe('0')
})

it('says what was sold, what an audit found, what was not sold, and who earned what', () => {
  const text = demoText(RESULT).replaceAll(/\s+/g, ' ')
  expect(text).toContain('"please press one to accept this call". 0.0003 ETH by voucher; signed receipt')
  expect(text).toContain('run again on another runtime: the same')
  expect(text).toContain('language "eng". 0.0003 ETH by voucher; signed receipt 4d4c3cd6166f3728, audit: bad')
  expect(text).toContain('Not sold no speech')
  expect(text).toContain('the provider redeemed 0.0006 ETH of 0.0006 ETH')
  const { jobs: _, channel: __, ...rest } = RESULT
  expect(demoText({ ...rest, jobs: [], channel: null })).not.toContain('Earned')
})
