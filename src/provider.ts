/** The entry that users' state refers to. Its path and its two names never change. */
export { distribution, extension } from './pulumi/handlers.ts'
