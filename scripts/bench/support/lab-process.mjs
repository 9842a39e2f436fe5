/** The laboratory in a process of its own, its events handed over as they come. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

/** `plumbline lab <args> --json-stream`. Resolves to how it ended: status, and the last thing it said of an error. */
export function runLab(args, onEvent) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, 'lab', ...args, '--json-stream'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let failure
    let stderr = ''
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line)
      if (event.event === 'error') failure = event.error.message
      onEvent(event)
    })
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-4000)
    })
    child.once('error', (error) => resolve({ ended: error.message, failure: error.message }))
    child.once('close', (code, signal) =>
      resolve({ ended: signal ?? code, failure: failure ?? stderr.trim().split('\n').at(-1) }),
    )
  })
}
