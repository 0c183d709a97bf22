#!/usr/bin/env python3
"""Training steps of CRNN (batch 32 of 32x100) and DBNet r18 (batch 2 of 640x640): Ligature beside PyTorch on the CPU.

Both run in processes of their own, and take turns step by step, so that whatever else the machine does meets both.
Prints images per second (of the fastest and of the median step), the most memory held, and the ratios.

    python training_speed.py [--threads 1,2] [--steps 8] [--models crnn,dbnet] [--program PATH]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def crnn():
    import torch
    from torch import nn
    import torch.nn.functional as F

    class CRNN(nn.Module):
        def __init__(self):
            super().__init__()
            layers, channels = [], 1

            def conv(out, kernel, padding, norm=False):
                nonlocal channels
                layers.append(nn.Conv2d(channels, out, kernel, 1, padding))
                channels = out
                if norm:
                    layers.append(nn.BatchNorm2d(out))
                layers.append(nn.ReLU(True))

            conv(64, 3, 1)
            layers.append(nn.MaxPool2d(2, 2))
            conv(128, 3, 1)
            layers.append(nn.MaxPool2d(2, 2))
            conv(256, 3, 1, True)
            conv(256, 3, 1)
            layers.append(nn.MaxPool2d((2, 2), (2, 1), (0, 1)))
            conv(512, 3, 1, True)
            conv(512, 3, 1)
            layers.append(nn.MaxPool2d((2, 2), (2, 1), (0, 1)))
            conv(512, 2, 0, True)
            self.cnn = nn.Sequential(*layers)
            self.rnn = nn.ModuleList([nn.LSTM(512, 256, bidirectional=True), nn.LSTM(256, 256, bidirectional=True)])
            self.embedding = nn.ModuleList([nn.Linear(512, 256), nn.Linear(512, 37)])

        def forward(self, image, targets, lengths):
            x = self.cnn(image).squeeze(2).permute(2, 0, 1)
            for rnn, embedding in zip(self.rnn, self.embedding):
                x = embedding(rnn(x)[0])
            steps = torch.full((x.shape[1],), x.shape[0])
            return F.ctc_loss(torch.log_softmax(x, 2), targets, steps, lengths)

    inputs = (torch.rand(32, 1, 32, 100) * 2 - 1, torch.randint(1, 37, (32, 8)), torch.full((32,), 8))
    model = CRNN().train()
    return model, inputs, torch.optim.Adadelta(model.parameters())


def dbnet():
    import torch
    from torch import nn
    import torch.nn.functional as F

    class Block(nn.Module):
        def __init__(self, channels, out, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
            self.relu = nn.ReLU(True)
            self.downsample = None
            if stride != 1 or channels != out:
                self.downsample = nn.Sequential(
                    nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += x if self.downsample is None else self.downsample(x)
            return self.relu(y)

    class DBNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(
                nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True), nn.MaxPool2d(3, 2, 1))
            sizes = [64, 64, 128, 256, 512]
            self.stages = nn.ModuleList(
                nn.Sequential(Block(sizes[i], sizes[i + 1], 2 if i else 1), Block(sizes[i + 1], sizes[i + 1], 1))
                for i in range(4))
            self.lateral = nn.ModuleList(nn.Conv2d(c, 256, 1, bias=False) for c in sizes[1:])
            self.smooth = nn.ModuleList(nn.Conv2d(256, 64, 3, 1, 1, bias=False) for _ in range(4))

            def head():
                return nn.Sequential(
                    nn.Conv2d(256, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
                    nn.ConvTranspose2d(64, 64, 2, 2), nn.BatchNorm2d(64), nn.ReLU(True),
                    nn.ConvTranspose2d(64, 1, 2, 2), nn.Sigmoid())

            self.binarize, self.threshold = head(), head()

        def forward(self, image, shrink, shrink_mask, thr, thr_mask):
            x, maps = self.stem(image), []
            for stage in self.stages:
                x = stage(x)
                maps.append(x)
            maps = [lateral(m) for lateral, m in zip(self.lateral, maps)]
            for i in (3, 2, 1):
                maps[i - 1] += F.interpolate(maps[i], size=maps[i - 1].shape[2:], mode="nearest")
            maps = [smooth(m) for smooth, m in zip(self.smooth, maps)]
            x = torch.cat([F.interpolate(m, size=maps[0].shape[2:], mode="nearest") for m in maps], 1)
            prob, threshold = self.binarize(x), self.threshold(x)
            binary = torch.reciprocal(1 + torch.exp(-50 * (prob - threshold)))
            positive, negative = shrink * shrink_mask, (1 - shrink) * shrink_mask
            count = int(positive.sum())
            wanted = min(int(negative.sum()), 3 * count)
            loss = F.binary_cross_entropy(prob, shrink, reduction="none")
            hardest = torch.topk((loss * negative).view(-1), wanted)[0]
            loss_prob = ((loss * positive).sum() + hardest.sum()) / (count + wanted + 1e-6)
            masked = binary * shrink_mask
            loss_db = 1 - 2 * (masked * positive).sum() / (masked.sum() + positive.sum() + 1e-6)
            loss_thr = ((threshold - thr) * thr_mask).abs().sum() / (thr_mask.sum() + 1e-6)
            return 5 * loss_prob + loss_db + 10 * loss_thr

    shape = (2, 1, 640, 640)
    ones = torch.ones(shape)
    inputs = (torch.rand(2, 3, 640, 640) * 4 - 2, (torch.rand(shape) > 0.9).float(), ones, torch.rand(shape), ones)
    model = DBNet().train()
    return model, inputs, torch.optim.SGD(model.parameters(), lr=0.007, momentum=0.9, weight_decay=1e-4)


def peak():
    """The most memory that this process has held, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(model, threads):
    """PyTorch's half: the same conversation as the Swift program's."""
    import torch

    torch.set_num_threads(threads)
    start = peak()
    network, inputs, optimizer = {"crnn": crnn, "dbnet": dbnet}[model]()
    print(json.dumps({"batch": inputs[0].shape[0], "start": start}), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        optimizer.zero_grad()
        loss = network(*inputs)
        loss.backward()
        optimizer.step()
        seconds = time.perf_counter() - begin
        print(json.dumps({"seconds": seconds, "loss": float(loss.detach()), "peak": peak()}), flush=True)


class Runner:
    def __init__(self, command, threads):
        # Threads that wait for the other program's step must not spin.
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="PASSIVE", KMP_BLOCKTIME="0")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.hello = json.loads(self.process.stdout.readline())
        self.seconds, self.peak = [], 0

    def step(self, counts):
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.peak = answer["peak"]
        if counts:
            self.seconds.append(answer["seconds"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(model, threads, steps, program):
    ours = Runner([program, model, str(threads)], threads)
    theirs = Runner([sys.executable, os.path.abspath(__file__), "--serve", model, str(threads)], threads)
    for step in range(steps + 2):
        for runner in (ours, theirs):
            runner.step(counts=step >= 2)
    batch = ours.hello["batch"]

    def rates(runner):
        return batch / min(runner.seconds), batch / statistics.median(runner.seconds)

    (a, b), (c, d) = rates(ours), rates(theirs)
    print(f"{model} batch {batch}, {threads} thread{'s' if threads > 1 else ''}")
    print(f"  ligature  {a:7.2f} images/s at best, {b:7.2f} in the median, peak {ours.peak / 2**20:6.0f} MiB"
          f" (arena {ours.hello['arena'] / 2**20:.0f} MiB)")
    print(f"  PyTorch   {c:7.2f} images/s at best, {d:7.2f} in the median, peak {theirs.peak / 2**20:6.0f} MiB"
          f" ({(theirs.peak - theirs.hello['start']) / 2**20:.0f} MiB above an import of torch)")
    above = (ours.peak - ours.hello["start"]) / (theirs.peak - theirs.hello["start"])
    print(f"  ratio     {a / c:7.2f} x speed at best, {b / d:7.2f} x in the median, memory {ours.peak / theirs.peak:.2f} x"
          f" ({above:.2f} x above the start)", flush=True)
    ours.close()
    theirs.close()


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--serve":
        return serve(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--steps", type=int, default=8, help="timed steps of each; two more come before")
    parser.add_argument("--models", default="crnn,dbnet")
    parser.add_argument("--program", default=os.path.join(HERE, "../../.build/release/training-bench"))
    options = parser.parse_args()
    for model in options.models.split(","):
        for threads in options.threads.split(","):
            compare(model, int(threads), options.steps, options.program)


if __name__ == "__main__":
    main()
