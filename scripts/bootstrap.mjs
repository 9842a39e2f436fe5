#!/usr/bin/env node
/**
 * One entry for every npm script: with nothing but Node and npm present, installs what is missing, compiles what has
 * changed, and runs the command. npm runs no pre/post scripts here (.npmrc: ignore-scripts), so this does.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [task = 'cli', ...args] = process.argv.slice(2)
const LEAST_NODE = [20, 19]
/** A daemon's heap stays far below; the limit turns a leak into a clear end. */
const HEAP_MB = 2048

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
  console.error(
    `plumbline: Node ${process.versions.node} is too old; install Node ${LEAST_NODE.join('.')} or newer`,
  )
  process.exit(1)
}

function run(command, commandArgs, options = {}) {
  const { status, signal, error } = spawnSync(command, commandArgs, {
    cwd: root,
    stdio: 'inherit',
    ...options,
  })
  if (error) {
    console.error(`plumbline: could not run ${command}: ${error.message}`)
    return 1
  }
  return signal === null ? (status ?? 1) : 128
}

/** Runs and ends on failure. */
function must(command, commandArgs, options) {
  const status = run(command, commandArgs, options)
  if (status !== 0) process.exit(status)
}

const cache = join(root, '.cache')
const digest = (path) => createHash('sha256').update(readFileSync(path)).digest('hex')

function installPackages() {
  const lock = join(root, 'package-lock.json')
  const stamp = join(cache, 'installed')
  const wanted = digest(lock)
  const have = existsSync(join(root, 'node_modules')) && existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
  if (have === wanted) return
  // A checkout whose packages were installed by hand is left alone.
  const hidden = join(root, 'node_modules', '.package-lock.json')
  if (have === '' && existsSync(hidden) && statSync(hidden).mtimeMs >= statSync(lock).mtimeMs) {
    mkdirSync(cache, { recursive: true })
    writeFileSync(stamp, wanted)
    return
  }
  console.error('plumbline: installing packages (once)')
  const quiet = { stdio: ['ignore', 2, 2] }
  // npm ci wants a lockfile that names every platform's packages; npm install takes one that does not.
  if (run('npm', ['ci', '--loglevel=error'], quiet) !== 0)
    must('npm', ['install', '--no-save', '--loglevel=error'], quiet)
  mkdirSync(cache, { recursive: true })
  writeFileSync(stamp, wanted)
}

/** Newest change below a folder, milliseconds. */
function newest(directory) {
  let latest = 0
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs)
  }
  return latest
}

function compile() {
  const stamp = join(cache, 'compiled')
  const changed = Math.max(newest(join(root, 'src')), statSync(join(root, 'tsconfig.build.json')).mtimeMs)
  const fresh = existsSync(stamp) && existsSync(join(root, 'dist')) && statSync(stamp).mtimeMs > changed
  if (fresh) return
  if (!existsSync(join(root, 'dist'))) rmSync(join(cache, 'build.tsbuildinfo'), { force: true })
  must('node', [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'])
  mkdirSync(cache, { recursive: true })
  writeFileSync(stamp, '')
}

const nodeOptions = {
  env: { ...process.env, NODE_OPTIONS: process.env.NODE_OPTIONS ?? `--max-old-space-size=${HEAP_MB}` },
}
const cli = (cliArgs) => run(process.execPath, [join('dist', 'cli', 'main.js'), ...cliArgs], nodeOptions)
const vitest = (vitestArgs) =>
  run(process.execPath, [join('node_modules', 'vitest', 'vitest.mjs'), 'run', ...vitestArgs])
/** Tests of real daemons, chains and sockets: they wait for rounds, blocks and trains, and are late where they wait for a processor. */
const REAL_TIME = ['test/e2e', 'test/chain', 'test/unit/p2p', 'test/unit/dataplane']
/** Those of them that wait most. */
const PATIENT = ['test/chain', 'test/e2e/chain', 'test/e2e/kill']
const without = (paths) => paths.flatMap((path) => ['--exclude', `${path}**`, '--exclude', `${path}/**`])
/** Of what failed, so many of its last characters are said again at the very end: they name the failures. */
const LAST_CHARACTERS = 12_000

/** Runs vitest, and hands over what it says. Resolves to its status and the last it said. */
function startTests({ vitestArgs, priority }, print) {
  const script = join('node_modules', 'vitest', 'vitest.mjs')
  const stdio = ['ignore', 'pipe', 'pipe']
  const tests = spawn(process.execPath, [script, 'run', ...vitestArgs], { cwd: root, stdio })
  if (priority !== 0) setPriority(tests.pid, priority)
  let last = ''
  const hear = (chunk) => {
    print(chunk)
    last = `${last}${chunk}`.slice(-LAST_CHARACTERS)
  }
  tests.stdout.on('data', hear)
  tests.stderr.on('data', hear)
  return new Promise((resolve) => {
    tests.once('error', (error) => resolve({ status: 1, last: error.message }))
    tests.once('close', (code) => resolve({ status: code ?? 128, last }))
  })
}

/**
 * The tests in two lanes: what is of real time, and beside it first what computes, which leaves it the processor, then what waits most. The
 * latter lane's lines come first, so that neither is torn apart; what failed is said again at the end.
 */
async function testLanes() {
  const held = []
  let printHeld = (chunk) => held.push(chunk)
  const realTime = startTests({ vitestArgs: [...REAL_TIME, ...without(PATIENT)], priority: 0 }, (chunk) =>
    printHeld(chunk),
  )
  const print = (chunk) => process.stdout.write(chunk)
  const ended = []
  ended.push(await startTests({ vitestArgs: without(REAL_TIME), priority: 10 }, print))
  ended.push(await startTests({ vitestArgs: PATIENT, priority: 0 }, print))
  for (const chunk of held.splice(0)) print(chunk)
  printHeld = print
  ended.push(await realTime)
  const failed = ended.filter(({ status }) => status !== 0)
  for (const { last } of failed.filter((each) => each !== ended.at(-1))) {
    const from = last.indexOf('Failed Tests')
    console.error(`\nplumbline: tests failed, as said further up:\n${last.slice(Math.max(0, from))}`)
  }
  return failed[0]?.status ?? 0
}
const tool = (path, ...toolArgs) => must(process.execPath, [join(...path), ...toolArgs])

installPackages()
compile()

const tasks = {
  cli: () => cli(args),
  demo: () => cli(['demo', ...args]),
  build: () => 0,
  golden: () => vitest(['test/golden', ...args]),
  vectors: () => {
    // The same files through TypeScript, and through Solidity.
    const status = vitest(['test/vectors', ...args])
    return status === 0 ? run(process.execPath, [join('scripts', 'contracts.mjs'), 'vectors']) : status
  },
  bench: () => {
    const [name, ...benchArgs] = args
    const script = name === undefined ? undefined : join('scripts', 'bench', `${name}.mjs`)
    if (script === undefined || !existsSync(join(root, script))) {
      const names = readdirSync(join(root, 'scripts', 'bench')).filter((file) => file.endsWith('.mjs'))
      console.error(`usage: npm run bench -- ${names.map((file) => file.slice(0, -4)).join(' | ')} [--json]`)
      return 2
    }
    return run(process.execPath, [script, ...benchArgs], nodeOptions)
  },
  test: () => {
    if (args.length > 0) return vitest(args)
    tool(['node_modules', 'typescript', 'bin', 'tsc'], '--noEmit')
    tool(['node_modules', '@biomejs', 'biome', 'bin', 'biome'], 'check', '.')
    tool(['scripts', 'check-doors.mjs'])
    must(process.execPath, [join('scripts', 'contracts.mjs'), 'test'])
    return testLanes()
  },
}
const chosen = tasks[task]
if (chosen === undefined) {
  console.error(`plumbline: no task "${task}"`)
  process.exit(2)
}
process.exit(await chosen())
