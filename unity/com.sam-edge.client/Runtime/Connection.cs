using System;
using System.Collections.Concurrent;
using System.IO;
using System.Net.WebSockets;
using System.Threading;
using System.Threading.Tasks;

namespace SamEdge
{
    /// <summary>A WebSocket that is opened again after each loss, until it is disposed.</summary>
    sealed class Connection : IDisposable
    {
        const int RetryMs = 1000, MostWaiting = 256;

        readonly Uri url;
        readonly byte[] hello;
        readonly Action<byte[], long> received;
        readonly Action<string> lost;
        readonly CancellationTokenSource ending = new CancellationTokenSource();
        BlockingCollection<byte[]> outgoing = new BlockingCollection<byte[]>(MostWaiting);

        /// <param name="hello">First message of each connection.</param>
        /// <param name="received">Takes a message and its arrival; called on a thread of the connection, one at a time. May
        /// throw InvalidDataException, which ends this connection, and OperationCanceledException, which ends all attempts.</param>
        /// <param name="lost">Takes the reason; called on the same thread after each loss. Empty: the server closed it.</param>
        public Connection(Uri url, byte[] hello, Action<byte[], long> received, Action<string> lost)
        {
            this.url = url;
            this.hello = hello;
            this.received = received;
            this.lost = lost;
            _ = Task.Run(KeepConnected);
        }

        /// <summary>Queue a message. False if the network is stalled: the message would be outdated, and is dropped.</summary>
        public bool Send(byte[] message) => outgoing.TryAdd(message);

        public void Dispose() => ending.Cancel();

        async Task KeepConnected()
        {
            while (!ending.IsCancellationRequested)
            {
                string reason;
                try
                {
                    reason = await ConnectOnce();
                }
                catch (OperationCanceledException)
                {
                    return;
                }
                outgoing = new BlockingCollection<byte[]>(MostWaiting);
                if (ending.IsCancellationRequested) return;
                lost(reason);
                try { await Task.Delay(RetryMs, ending.Token); } catch (OperationCanceledException) { return; }
            }
        }

        // One connection from its opening to its end. Returns why it ended.
        async Task<string> ConnectOnce()
        {
            using (var cut = CancellationTokenSource.CreateLinkedTokenSource(ending.Token))
            using (var socket = new ClientWebSocket())
            {
                try
                {
                    await socket.ConnectAsync(url, cut.Token);
                    await socket.SendAsync(new ArraySegment<byte>(hello), WebSocketMessageType.Binary, true, cut.Token);
                    Task sending = Task.Run(() => SendAll(socket, cut.Token));
                    try
                    {
                        await ReceiveAll(socket, cut.Token);
                    }
                    finally
                    {
                        cut.Cancel();
                        await sending;
                    }
                    return "";
                }
                catch (Exception error) when (error is WebSocketException || error is IOException || error is InvalidDataException)
                {
                    return error.Message;
                }
            }
        }

        async Task SendAll(ClientWebSocket socket, CancellationToken end)
        {
            try
            {
                foreach (byte[] message in outgoing.GetConsumingEnumerable(end))
                    await socket.SendAsync(new ArraySegment<byte>(message), WebSocketMessageType.Binary, true, end);
            }
            // The receiving side reports the loss.
            catch (OperationCanceledException) { }
            catch (WebSocketException) { }
            catch (IOException) { }
            catch (ObjectDisposedException) { }
        }

        async Task ReceiveAll(ClientWebSocket socket, CancellationToken end)
        {
            var part = new byte[1 << 16];
            var whole = new MemoryStream();
            while (socket.State == WebSocketState.Open)
            {
                WebSocketReceiveResult result = await socket.ReceiveAsync(new ArraySegment<byte>(part), end);
                if (result.MessageType == WebSocketMessageType.Close) return;
                whole.Write(part, 0, result.Count);
                if (!result.EndOfMessage) continue;
                received(whole.ToArray(), MonotonicClock.NowNs());
                whole.SetLength(0);
            }
        }
    }
}
