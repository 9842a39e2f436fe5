/** Questions to the person at the keyboard: a passphrase without echo, and yes or no. */
import { StringDecoder } from 'node:string_decoder'
import { UserError } from '../errors.js'
import type { CommandIo } from './io.js'

/** Shorter ones fall to a guess in spite of scrypt; longer ones are the user's business. */
const MIN_PASSPHRASE_LENGTH = 8
const MAX_LINE_LENGTH = 1024
const ENTER = ['\r', '\n'] as const
const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const CTRL_U = '\u0015'
const BACKSPACE = ['\u0008', '\u007f'] as const

/** Whether somebody can be asked. */
export function canAsk(io: CommandIo): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY
}

/** Reads one line in raw mode. @throws UserError INTERRUPTED on Ctrl-C, Ctrl-D or an ended input */
async function readLine(io: CommandIo, question: string, echo: boolean): Promise<string> {
  const { stdin, stderr, signal } = io
  stderr.write(question)
  stdin.setRawMode?.(true)
  const decoder = new StringDecoder('utf8')
  let line = ''
  try {
    return await new Promise<string>((resolve, reject) => {
      const stopped = () => reject(new UserError('interrupted', { code: 'INTERRUPTED' }))
      const onData = (chunk: Buffer) => {
        const characters = [...decoder.write(chunk)]
        for (const [i, character] of characters.entries()) {
          if (ENTER.some((each) => each === character)) {
            done(() => resolve(line))
            // What was pasted along answers the next question.
            const rest = characters.slice(i + 1).join('')
            if (rest !== '' && rest !== '\n') stdin.unshift(Buffer.from(rest))
            return
          }
          if (character === CTRL_C || character === CTRL_D) return done(stopped)
          if (BACKSPACE.some((each) => each === character)) {
            if (echo && line !== '') stderr.write('\b \b')
            line = [...line].slice(0, -1).join('')
          } else if (character === CTRL_U) line = ''
          else if (character >= ' ' && line.length < MAX_LINE_LENGTH) {
            line += character
            if (echo) stderr.write(character)
          }
        }
      }
      const done = (settle: () => void) => {
        // Paused before anything is put back: a flowing stream without a listener would drop it.
        stdin.pause()
        stdin.off('data', onData)
        stdin.off('end', stopped)
        signal.removeEventListener('abort', stopped)
        settle()
      }
      stdin.on('data', onData)
      stdin.once('end', stopped)
      signal.addEventListener('abort', stopped, { once: true })
      stdin.resume()
    })
  } finally {
    stdin.setRawMode?.(false)
    stderr.write('\n')
  }
}

/** Asks for the passphrase of something that exists. */
export function askPassphrase(io: CommandIo, question: string): Promise<string> {
  return readLine(io, `${question}: `, false)
}

/** Asks for a new passphrase, twice. */
export async function askNewPassphrase(io: CommandIo): Promise<string> {
  const attempts = 3
  for (let attempt = 0; attempt < attempts; attempt++) {
    const first = await readLine(io, 'New passphrase for the key (nothing is shown while you type): ', false)
    if (first.length < MIN_PASSPHRASE_LENGTH) {
      io.stderr.write(`Too short: take at least ${MIN_PASSPHRASE_LENGTH} characters.\n`)
      continue
    }
    if ((await readLine(io, 'The same again: ', false)) === first) return first
    io.stderr.write('The two differ.\n')
  }
  throw new UserError('no passphrase was set', {
    code: 'BAD_KEY',
    remedy: 'run the command again; nothing was written',
  })
}

/** False unless the answer begins with y. */
export async function confirm(io: CommandIo, question: string): Promise<boolean> {
  return /^y/i.test((await readLine(io, `${question} [y/N] `, true)).trim())
}
