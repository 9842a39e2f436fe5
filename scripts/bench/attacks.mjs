#!/usr/bin/env node
/**
 * `npm run bench -- attacks [--runs 20] [--rows 3,5-7 | --rows rush:2,... | --matrix] [--rate 220] [--list] [--table] [--json] [--write]`: real
 * laboratory runs of every attack and of combinations, each against its limits. Exit status 1 where one is missed. In
 * parts: --write adds each row's runs to docs/attacks.jsonl as soon as they are done and makes the table of
 * docs/security.md anew from all that is there, so that later runs add to earlier ones; --table does only
 * that. A row claims 1.2 times the truth, unless it says "attack @ ratio": by a claim that is true, a challenge ends as soon
 * as f + 1 teams bear it out, which is when the rule has least to go by. A row is of a downlink by the standard profile, unless it
 * says "by uplink" (by echo; the way back has the rate, the way there twice as much), "by quick" or "by joint" (two provers behind
 * one link, each alone and then together; both are corrupt where the prover is). --matrix runs every failure of f members in every
 * step of a challenge, and prints step by failure.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  CHALLENGER_ATTACKS,
  COORDINATOR_ATTACKS,
  coordinatorColludes,
  NETWORK_ATTACKS,
  PROVER_ATTACKS,
  parseAttack,
  proverColludes,
} from '../../dist/lab/adversary/attack.js'
import { PHASE_FAILURES, PHASE_OF } from '../../dist/lab/adversary/phases.js'
import { condense, condenseJoint, limitsOf, rowCells, TABLE_HEAD } from './support/attack-rows.mjs'
import { runLab } from './support/lab-process.mjs'

const CHALLENGERS = 10
/** f: so many challengers may be corrupt. */
const FAULTY = 2
const records = fileURLToPath(new URL('../../docs/attacks.jsonl', import.meta.url))
const page = fileURLToPath(new URL('../../docs/security.md', import.meta.url))
const BEGIN = '<!-- attacks: made by `npm run bench -- attacks --write` -->'
const END = '<!-- /attacks -->'

const COMBINATIONS = [
  'rush:2,rtt-inflate:prover,hold-acks:prover',
  'rush:1,lie-high:1,early-ack:prover,stagger:prover',
  'copy-commit:1,rush:1,hold-acks:prover',
  'equivocate:2,two-evidence:coordinator',
  'rush:2,equivocate-ack:prover,two-plans:coordinator',
  'lie-high:2,drop:prover,rtt-inflate:prover',
  'lie-high:2,rtt-inflate:network,stagger:network',
  'clock-shift:2,hold-acks:network,drop:network',
  'spoof:1,replay:1',
  'flood:1,ack-flood:1',
  'withhold:1,silent:1',
  'crash:1,withhold-seed:1',
  'lie-low:1,false-commit:1',
  'stall:1,lie-late:1',
  'spoof:2,ack-flood:prover,reflect:prover',
  'garbage:1,copy-commit:1,two-evidence:coordinator,delay:network',
  // Believes all acks, and testifies the least time that counts.
  'rush+lie-high:2,rtt-inflate:prover',
  'rush+clock-shift:2,hold-acks:prover',
  'rush:2 @ 1',
  'lie-high:2 @ 1',
  'rush+lie-high:2,rtt-inflate:prover @ 1',
  'rush+lie-high:2,rtt-inflate:prover @ 0.8',
]
const USUAL_CLAIM = 1.2
/** What a row does, what it claims, as a share of the truth, and how it is measured. */
function rowOf(row) {
  const [what, kind = 'standard'] = row.split(' by ')
  const [attack, claim] = what.split(' @ ')
  if (!Object.hasOwn(KINDS, kind))
    throw new Error(`after "by" one of ${Object.keys(KINDS).join(', ')}, not "${kind}"`)
  return { attack, claim: claim === undefined ? KINDS[kind].claim : Number(claim), kind }
}
/** For each kind of measurement: what the laboratory is told beside the attack, and the claim. */
const KINDS = {
  standard: { claim: USUAL_CLAIM, options: (rate) => ['--rate', rate] },
  uplink: {
    claim: USUAL_CLAIM,
    options: (rate) => ['--rate', 2 * rate, '--prover-uplink', rate, '--direction', 'up'],
  },
  quick: { claim: USUAL_CLAIM, options: (rate) => ['--rate', rate, '--profile', 'quick'] },
  // Challengers send to both at once: a claim that is true is load enough.
  joint: { claim: 1, options: (rate) => ['--rate', rate, '--provers', 2, '--shared'] },
}
const BY_KIND = {
  uplink: [
    'none',
    'lie-echo:2',
    'rush+lie-echo:2',
    'lie-high:2',
    'clock-shift:2',
    'lie-low:2',
    'withhold:2',
    'garbage:2',
    'silent:2',
    'crash:2',
    'hang-up:1,stall:1',
    'lie-echo:2,rtt-inflate:prover',
  ],
  quick: [
    'none',
    'rush:2',
    'rush+lie-high:2,rtt-inflate:prover',
    'lie-high:2',
    'lie-low:2',
    'withhold:2',
    'silent:2',
    'crash:2',
    'withhold-seed:2',
    'equivocate:2',
    'early-ack:prover',
    'hold-acks:prover',
    'stagger:prover',
  ],
  joint: [
    'none',
    'rush:2',
    'rush+lie-high:2,rtt-inflate:prover',
    'lie-high:2',
    'withhold:2',
    'silent:2',
    'hold-acks:prover',
    'early-ack:prover',
    'drop:prover',
  ],
}
/** Every failure in every step, of f members. */
function matrixRows() {
  return Object.keys(PHASE_OF).flatMap((step) =>
    Object.keys(PHASE_FAILURES).map((failure) => `${failure}@${step}:${FAULTY}`),
  )
}
/** Of an uplink alone. */
const UPLINK_ATTACKS = ['lie-echo']
/** Rows that came later: at the end, so that the others keep their numbers. */
const LATER = ['two-lists']
const LATER_ROWS = [
  'two-lists:prover',
  'rush:2,two-lists:prover',
  ...Object.entries(BY_KIND).flatMap(([kind, attacks]) => attacks.map((attack) => `${attack} by ${kind}`)),
  ...matrixRows(),
]
const ROWS = [
  // What the machine does by itself: the other rows are to be read beside it.
  'none',
  ...Object.keys(CHALLENGER_ATTACKS)
    .filter((name) => !UPLINK_ATTACKS.includes(name))
    .map((name) => `${name}:${FAULTY}`),
  ...Object.keys(PROVER_ATTACKS)
    .filter((name) => !LATER.includes(name))
    .map((name) => `${name}:prover`),
  ...Object.keys(COORDINATOR_ATTACKS).map((name) => `${name}:coordinator`),
  ...Object.keys(NETWORK_ATTACKS).map((name) => `${name}:network`),
  ...COMBINATIONS,
  ...LATER_ROWS,
]

const { runs, rate, rows, list, table, json, write, matrix } = options()

function options() {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: 'string', default: '20' },
        rate: { type: 'string', default: '220' },
        rows: { type: 'string' },
        list: { type: 'boolean', default: false },
        table: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        matrix: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
      },
    })
    const count = Number(values.runs)
    if (!Number.isInteger(count) || count < 1)
      throw new Error(`--runs expects a whole number from 1, not "${values.runs}"`)
    const rateMbps = Number(values.rate)
    if (!(rateMbps > 0)) throw new Error(`--rate expects Mbit/s, not "${values.rate}"`)
    if (values.matrix && values.rows !== undefined) throw new Error('--matrix has rows of its own')
    const chosen = values.matrix ? matrixRows() : values.rows === undefined ? ROWS : chosenRows(values.rows)
    return { ...values, runs: count, rate: rateMbps, rows: chosen }
  } catch (error) {
    console.error(`bench attacks: ${error.message}`)
    process.exit(2)
  }
}

/** `3,5-7` of the list, or one attack as `lab --attack` takes it. */
function chosenRows(text) {
  if (!/^[\d,-]+$/.test(text)) {
    const { attack, claim } = rowOf(text)
    parseAttack(attack, CHALLENGERS)
    if (!(claim > 0)) throw new Error(`--rows expects a ratio after @, not "${text}"`)
    return [text]
  }
  return text.split(',').flatMap((part) => {
    const [, first, last = first] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part) ?? []
    const from = Number(first)
    const to = Number(last)
    if (!(from >= 1 && to >= from && to <= ROWS.length))
      throw new Error(`--rows expects numbers from 1 to ${ROWS.length} as 3,5-7, not "${part}"`)
    return ROWS.slice(from - 1, to)
  })
}

/**
 * One laboratory for several attacks in turn; hands over each attack's runs and failures as soon as they are done.
 * Resolves to why it ended before its time, if it did.
 */
async function lab(rows, onDone) {
  const attacks = rows.map((row) => rowOf(row).attack)
  const { claim, kind } = rowOf(rows[0])
  const args = [
    ...KINDS[kind].options(rate),
    '--claim',
    claim,
    '--challengers',
    CHALLENGERS,
    '--faulty',
    FAULTY,
  ]
  args.push('--attack', attacks.join(';'), '--runs', runs)
  let done = { runs: [], failures: [] }
  let at = 0
  const { ended, failure } = await runLab(args.map(String), (event) => {
    if (event.event === 'run_ended' || event.event === 'joint_ended') done.runs.push(event.result)
    else if (event.event === 'run_failed') done.failures.push(event.reason)
    else return
    if (done.runs.length + done.failures.length < runs) return
    onDone(rows[at++], done)
    done = { runs: [], failures: [] }
  })
  return at === rows.length ? undefined : (failure ?? `it ended with ${ended}`)
}

/** Who keeps to the protocol in a row, and whose interest its limits protect. */
function partiesOf(row) {
  const { attack, kind } = rowOf(row)
  const plan = parseAttack(attack, CHALLENGERS)
  return {
    kind,
    provenByMembers: plan.prover.includes('two-lists'),
    prover: !proverColludes(plan),
    coordinator: !coordinatorColludes(plan),
    network: plan.network.length === 0,
    corruptChallengers: plan.challengers.length,
    challengers: CHALLENGERS,
  }
}

function recorded() {
  if (!existsSync(records)) return []
  const lines = readFileSync(records, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

/** The runs of each attack together, in the order of the list. */
function tableOf(all) {
  const names = [...new Set([...ROWS, ...all.map(({ attack }) => attack)])]
  const lines = names.flatMap((attack) => {
    const parts = all.filter((record) => record.attack === attack)
    if (parts.length === 0) return []
    return [`| ${rowCells(attack, parts, partiesOf(attack)).join(' | ')} |`]
  })
  return `${TABLE_HEAD}\n${lines.join('\n')}`
}

function writeTable() {
  const text = readFileSync(page, 'utf8')
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin)
    throw new Error(`docs/security.md has no place for the table: ${BEGIN} ... ${END}`)
  const table = tableOf(recorded())
  writeFileSync(page, `${text.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${text.slice(end)}`)
}

if (list) {
  ROWS.forEach((attack, i) => {
    console.log(`${String(i + 1).padStart(3)}  ${attack}`)
  })
  process.exit(0)
}

/** Step by failure: challenges that ended with a verdict, and the median guarantee in % of the truth. */
function matrixOf(records) {
  const failures = Object.keys(PHASE_FAILURES)
  const cell = (step, failure) => {
    const parts = records.filter(({ attack }) => attack === `${failure}@${step}:${FAULTY}`)
    if (parts.length === 0) return '-'
    const [, , runs, , guaranteed, , , , ended] = rowCells(parts[0].attack, parts, partiesOf(parts[0].attack))
    return `${ended}${runs === 0 ? '' : `, ${guaranteed}`}`
  }
  return [
    `| phase | step | ${failures.join(' | ')} |`,
    `|---|---|${failures.map(() => '---|').join('')}`,
    ...Object.entries(PHASE_OF).map(
      ([step, phase]) =>
        `| ${phase} | ${step} | ${failures.map((failure) => cell(step, failure)).join(' | ')} |`,
    ),
  ].join('\n')
}

if (table) {
  writeTable()
  process.exit(0)
}

const measured = []
let missed = 0
function report(attack, done) {
  const record = (rowOf(attack).kind === 'joint' ? condenseJoint : condense)(attack, rate, done)
  measured.push(record)
  const misses = limitsOf([record], partiesOf(attack))
  if (misses.length > 0) missed++
  if (write) {
    appendFileSync(records, `${JSON.stringify(record)}\n`)
    writeTable()
  }
  if (json) return
  console.log(rowCells(attack, [record], partiesOf(attack)).join(' | '))
  for (const miss of misses) console.log(`    missed: ${miss}`)
}

/** Rows that one laboratory can do: a hostile network needs the relay, which would only cost the others accuracy. */
const kindOf = (row) => {
  const { attack, claim, kind } = rowOf(row)
  return `${kind} ${claim} ${parseAttack(attack, CHALLENGERS).network.length > 0}`
}
for (const kind of new Set(rows.map(kindOf))) {
  const group = rows.filter((row) => kindOf(row) === kind)
  const failure = await lab(group, report)
  if (failure === undefined) continue
  missed++
  console.error(`bench attacks: the laboratory did not come to its end: ${failure}`)
}
if (matrix)
  console.log(
    `\n${FAULTY} of ${CHALLENGERS} members fail in one step; verdicts, guaranteed %: median (least..most)\n${matrixOf(measured)}\n`,
  )
if (json) console.log(JSON.stringify(measured))
else console.log(missed === 0 ? 'every limit was kept' : `${missed} of ${rows.length} rows missed a limit`)
process.exitCode = missed === 0 ? 0 : 1
