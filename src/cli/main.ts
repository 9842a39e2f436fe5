#!/usr/bin/env node
/**
 * Loading a program alone makes V8's young generation grow to 33 MB, and only a collection in a quiet moment makes it smaller
 * again, which a gateway with a job every second never has: it is kept small before anything is loaded.
 */
import { keepYoungGenerationSmall } from '../node/heap.js'

keepYoungGenerationSmall()
await import('./program.js')
