// Opens so many connections, keeps all of them, asks once on each: how many were served, how many were closed without a byte.
// node examples/connection-limit/hold.ts COUNT [FROM-ADDRESS]
import { connect } from 'node:net';

const [count = '10', localAddress = '127.0.0.1'] = process.argv.slice(2);
const connections = Array.from({ length: Number(count) }, () => connect({ host: '127.0.0.1', port: 10_080, localAddress }));
const answers = await Promise.all(connections.map((connection) => new Promise<'served' | 'closed'>((resolve) => {
  connection.once('data', () => resolve('served')).once('error', () => resolve('closed')).once('close', () => resolve('closed'));
  connection.write('GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n');
})));
for (const connection of connections) connection.destroy();
console.log(`${answers.filter((answer) => answer === 'served').length} served, ${answers.filter((answer) => answer === 'closed').length} closed`);
