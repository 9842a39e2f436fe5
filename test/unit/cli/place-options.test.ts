/** Options for another place than the one where a job runs are told, not passed over. */
import { describe, expect, it } from 'vitest'
import { complaint, run } from './in-process.js'

const HERE = /models that run on this machine; add --local, or leave (it|them) out$/
const BOUGHT = /what is bought from the network; leave out --local, or leave (it|them) out$/

describe.each([
  ['transcribe', 'x.wav'],
  ['translate', 'x.wav'],
  ['identify', 'x.wav'],
  ['embed', 'some words'],
  ['speak', 'some words', '--out', '/nonexistent/a.wav'],
])('plumbline %s', (...command) => {
  const complaintOf = async (...args: readonly string[]) => {
    const outcome = await run([...command, ...args, '--data-dir', '/nonexistent'])
    expect(outcome.status).toBe(2)
    return complaint(outcome)
  }

  it('buys with none of what is for models that run here', async () => {
    expect(await complaintOf('--threads', '1')).toMatch(/^--threads is for models that run/)
    expect(await complaintOf('--memory', '1')).toMatch(HERE)
    expect(await complaintOf('--threads', '1', '--memory', '1')).toMatch(/^--threads and --memory are for/)
    if (command[0] !== 'speak')
      expect(await complaintOf('--int8', '--threads', '1')).toMatch(/^--threads and --int8 are for/)
  })

  it.each([
    ['--provider', '/ip4/127.0.0.1/tcp/1/p2p/x'],
    ['--max-price', '1 wei'],
    ['--any-model'],
    ['--unaudited'],
    ['--bootstrap', '/ip4/127.0.0.1/tcp/1/p2p/x'],
  ])('runs here without %s', async (...option) => {
    expect(await complaintOf('--local', ...option)).toMatch(BOUGHT)
  })

  it('says that one at a time pays with a key', async () => {
    const { stdout } = await run([String(command[0]), '--help'])
    expect(stdout.replace(/\s+/g, ' ')).toContain('where a gateway runs that does, ask it instead')
  })
})

it('half a character, which no job can have, is refused where it was typed', async () => {
  expect(complaint(await run(['embed', 'a\ud800b', '--text']))).toMatch(
    /<input> holds half a character.*; give well-formed Unicode/,
  )
})
