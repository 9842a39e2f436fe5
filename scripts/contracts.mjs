#!/usr/bin/env node
/**
 * The contracts' one entry; forge and the compiler come from npm packages, without install scripts or downloads.
 *
 *   node scripts/contracts.mjs build      compiles; writes contracts/out/plumbline.json (ABI and bytecode by name)
 *                                         and src/chain/generated/ (the same as TypeScript)
 *   node scripts/contracts.mjs test       tests, gas snapshot, coverage; ends in "N passed, N failed"
 *   node scripts/contracts.mjs gas        measures again and writes contracts/snapshots/; prints the table
 *   node scripts/contracts.mjs long       the same tests with 5,000 fuzz runs and >= 100,000 invariant calls
 *   node scripts/contracts.mjs fixtures   writes contracts/fixtures/ from VECTORS_DIR (default test/fixtures/vectors)
 *   node scripts/contracts.mjs vectors    writes them, and runs only the tests that read them
 *   node scripts/contracts.mjs forge ...  forge itself
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { staleBindings, writeBindings } from './contract-bindings.mjs'

const root = fileURLToPath(new URL('../', import.meta.url))
const at = (...parts) => join(root, 'contracts', ...parts)

/** Contracts that a deployment or a client needs. */
const EXPORTED = [
  'BeaconRegistry',
  'ChallengeManager',
  'DisputeGame',
  'EcdsaAttestationVerifier',
  'PaymentChannels',
  'StakeRegistry',
]
/** EIP-170. */
const MOST_CODE_BYTES = 24_576
/** Least line coverage of contracts/src, in percent. */
const LEAST_COVERAGE = 95

/** The binary inside forge's platform package. */
function forgeBinary() {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const platform = process.platform === 'win32' ? 'win32' : process.platform
  const require = createRequire(join(root, 'package.json'))
  const name = `@foundry-rs/forge-${platform}-${arch}`
  try {
    const file = process.platform === 'win32' ? 'forge.exe' : 'forge'
    return join(dirname(require.resolve(`${name}/package.json`)), 'bin', file)
  } catch {
    throw new Error(`${name} is not installed: run npm ci (forge has no package for other platforms)`)
  }
}

/** Runs forge; resolves to its exit status and what it printed. HOME is a folder that is certainly writable. */
function forge(args, { env = {}, quiet = false } = {}) {
  const home = at('home')
  mkdirSync(home, { recursive: true })
  return new Promise((resolve, reject) => {
    const child = spawn(forgeBinary(), args, {
      cwd: root,
      env: { ...process.env, HOME: home, NO_COLOR: '1', FOUNDRY_DISABLE_NIGHTLY_WARNING: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        output += text
        if (!quiet) process.stdout.write(text)
      })
    }
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status: status ?? 1, signal, output }))
  })
}

async function fixtures() {
  const { writeFixtures } = await import(new URL('../contracts/test/fixtures.mjs', import.meta.url))
  const own = join(root, 'test', 'fixtures', 'vectors')
  return writeFixtures(process.env.VECTORS_DIR ?? own, at('fixtures'), own)
}

/** ABI and bytecode of the exported contracts, as forge built them. */
function artifacts() {
  const all = {}
  for (const name of EXPORTED) {
    const artifact = JSON.parse(readFileSync(at('out', `${name}.sol`, `${name}.json`), 'utf8'))
    const size = artifact.deployedBytecode.object.length / 2 - 1
    if (size > MOST_CODE_BYTES) throw new Error(`${name} has ${size} bytes, a chain takes ${MOST_CODE_BYTES}`)
    all[name] = { abi: artifact.abi, bytecode: artifact.bytecode.object }
  }
  return all
}

async function build() {
  const { status } = await forge(['build', '--skip', 'test'])
  if (status !== 0) return status
  const all = artifacts()
  writeBindings(all)
  writeFileSync(at('out', 'plumbline.json'), `${JSON.stringify(all, undefined, 1)}\n`)
  console.log(`contracts/out/plumbline.json, src/chain/generated: ${EXPORTED.join(', ')}`)
  return 0
}

/** OpenZeppelin's, without a word of NatSpec there. */
const INHERITED = new Set(['InvalidShortString', 'StringTooLong'])

/** External functions, events and errors of the exported contracts that no NatSpec says anything of. */
function undocumented() {
  const missing = []
  for (const name of EXPORTED) {
    const { rawMetadata } = JSON.parse(readFileSync(at('out', `${name}.sol`, `${name}.json`), 'utf8'))
    const { abi, userdoc, devdoc } = JSON.parse(rawMetadata).output
    const kinds = { function: 'methods', event: 'events', error: 'errors' }
    for (const item of abi.filter(({ type, name: of }) => Object.hasOwn(kinds, type) && !INHERITED.has(of))) {
      const kind = kinds[item.type]
      const says = [userdoc, devdoc, { [kind]: devdoc.stateVariables }].some((doc) =>
        Object.entries(doc[kind] ?? {}).some(
          ([signature, text]) => signature.split('(')[0] === item.name && hasText(text),
        ),
      )
      if (!says) missing.push(`${name}.${item.name}`)
    }
  }
  return missing
}
/** Errors may be there more than once, with a text each. */
const hasText = (text) => [text].flat().some(({ notice, details }) => Boolean(notice ?? details))

/** "144 tests passed, 0 failed" of forge's last line; a run that did not get that far counts as one failure. */
function counts({ status, output }) {
  const match = /(\d+) tests? passed, (\d+) failed/g
  const last = [...output.matchAll(match)].at(-1)
  if (last === undefined) return { passed: 0, failed: 1 }
  const [passed, failed] = [Number(last[1]), Number(last[2])]
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed }
}

/** Lines of contracts/src that ran, from an lcov report. */
function lineCoverage(lcov) {
  let [hit, found] = [0, 0]
  const missed = []
  let file = ''
  for (const line of lcov.split('\n')) {
    if (line.startsWith('SF:')) file = line.slice(3)
    if (!file.includes('contracts/src/')) continue
    const data = /^DA:(\d+),(\d+)/.exec(line)
    if (data === null) continue
    found++
    if (Number(data[2]) > 0) hit++
    else missed.push(`${file}:${data[1]}`)
  }
  return { percent: found === 0 ? 0 : (100 * hit) / found, hit, found, missed }
}

/** forge's lines, without those of tests that passed; but how often the invariants were called. */
function brief(output) {
  for (const line of output.split('\n')) {
    if (/^\[PASS\] invariant.*calls: /.test(line)) console.log(line)
    else if (
      line !== '' &&
      !/^(\[PASS\]|Suite result: ok|Ran \d+ test|Compiling|Solc|Compiler run)/.test(line)
    )
      console.log(line)
  }
}

async function test(env = {}) {
  const total = { passed: 0, failed: 0 }
  const add = (what, { passed, failed }) => {
    total.passed += passed
    total.failed += failed
    console.log(`${what}: ${passed} passed, ${failed} failed`)
  }
  console.log(`vectors: ${JSON.stringify(await fixtures())}`)
  // One compiler run for all, instead of one for each selection of tests.
  await forge(['build'], { quiet: true })
  const stale = staleBindings(artifacts())
  for (const file of stale) console.log(`${file} is out of date: node scripts/contracts.mjs build`)
  add('generated bindings are current', { passed: stale.length === 0 ? 1 : 0, failed: stale.length })
  const bare = undocumented()
  for (const item of bare) console.log(`no NatSpec: ${item}`)
  add('every external function, event and error has NatSpec', {
    passed: bare.length === 0 ? 1 : 0,
    failed: bare.length,
  })
  const tests = await forge(['test', '--no-match-contract', 'GasTest'], { env, quiet: true })
  brief(tests.output)
  add('unit, fuzz, invariant', counts(tests))

  const check = ['--gas-snapshot-check', 'true', '--gas-snapshot-emit', 'false']
  const gas = await forge(['test', '--isolate', '--match-contract', 'GasTest', ...check], { quiet: true })
  brief(gas.output)
  add('gas limits and snapshot', counts(gas))

  const lcov = at('cache', 'lcov.info')
  const report = ['--report', 'lcov', '--report-file', lcov]
  // Statistics and repetitions show no further lines, and take long without the optimizer.
  const skipped = [
    '--no-match-contract',
    'GasTest|InvariantsTest',
    '--no-match-test',
    'OfThousands|isWeighted',
  ]
  const covered = await forge(['coverage', ...report, ...skipped], {
    env: { FOUNDRY_FUZZ_RUNS: '4' },
    quiet: true,
  })
  let coverage = { percent: 0, hit: 0, found: 0, missed: [] }
  if (covered.status === 0) coverage = lineCoverage(readFileSync(lcov, 'utf8'))
  else brief(covered.output)
  const enough = coverage.percent >= LEAST_COVERAGE
  for (const line of coverage.missed) console.log(`not covered: ${line}`)
  console.log(
    `line coverage of contracts/src: ${coverage.percent.toFixed(2)} % (${coverage.hit}/${coverage.found})`,
  )
  add(`coverage of at least ${LEAST_COVERAGE} %`, { passed: enough ? 1 : 0, failed: enough ? 0 : 1 })

  console.log(`${total.passed} passed, ${total.failed} failed`)
  return total.failed === 0 ? 0 : 1
}

async function gas() {
  await fixtures()
  const { status, output } = await forge(['test', '--isolate', '--match-contract', 'GasTest'], {
    quiet: true,
  })
  brief(output)
  for (const file of readdirSync(at('snapshots')).sort()) {
    const text = readFileSync(at('snapshots', file), 'utf8')
    if (!text.endsWith('\n')) writeFileSync(at('snapshots', file), `${text}\n`)
    console.log(file.replace('.json', ''))
    const rows = Object.entries(JSON.parse(text))
    for (const [name, value] of rows) console.log(`  ${String(value).padStart(9)}  ${name}`)
  }
  return status
}

const [task = 'test', ...rest] = process.argv.slice(2)
const tasks = {
  build,
  test,
  gas,
  long: () => test({ FOUNDRY_PROFILE: 'long' }),
  fixtures: async () => {
    console.log(JSON.stringify(await fixtures()))
    return 0
  },
  vectors: async () => {
    console.log(`vectors: ${JSON.stringify(await fixtures())}`)
    return (await forge(['test', '--match-contract', 'VectorsTest'])).status
  },
  forge: async () => (await forge(rest)).status,
}
if (!Object.hasOwn(tasks, task)) {
  console.error(`contracts.mjs: no task "${task}"; it has ${Object.keys(tasks).join(', ')}`)
  process.exitCode = 2
} else {
  process.exitCode = await tasks[task]()
}
