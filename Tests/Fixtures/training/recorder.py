"""Records what PyTorch's optimisers do in five steps: python3 recorder.py (PyTorch 2.13) writes optimizers.json."""
import json

import torch

torch.set_num_threads(1)
torch.manual_seed(3)
n = 11
cases=[
 ("sgd", torch.optim.SGD, dict(lr=0.1)),
 ("sgd weight decay", torch.optim.SGD, dict(lr=0.05, weight_decay=0.01)),
 ("sgd momentum", torch.optim.SGD, dict(lr=0.007, momentum=0.9, weight_decay=1e-4)),
 ("sgd nesterov", torch.optim.SGD, dict(lr=0.02, momentum=0.8, weight_decay=5e-4, nesterov=True)),
 ("adam", torch.optim.Adam, dict(lr=1e-3)),
 ("adam weight decay", torch.optim.Adam, dict(lr=3e-3, betas=(0.8,0.99), eps=1e-6, weight_decay=0.02)),
 ("adamw", torch.optim.AdamW, dict(lr=2e-3, weight_decay=0.05)),
 ("adadelta", torch.optim.Adadelta, dict(lr=1.0)),
 ("adadelta weight decay", torch.optim.Adadelta, dict(lr=0.5, rho=0.95, eps=1e-5, weight_decay=1e-3)),
]
out=[]
for name,cls,kw in cases:
    p=torch.nn.Parameter(torch.randn(n))
    start=p.detach().tolist()
    opt=cls([p],**kw)
    grads=[];steps=[]
    for i in range(5):
        g=torch.randn(n)*(10**(1-i%3))
        p.grad=g.clone()
        opt.step()
        grads.append(g.tolist()); steps.append(p.detach().tolist())
    st={k:v.tolist() for k,v in opt.state[p].items() if torch.is_tensor(v) and v.numel()==n}
    out.append(dict(name=name, options={k:(list(v) if isinstance(v,tuple) else v) for k,v in kw.items()}, start=start, gradients=grads, parameters=steps, state=st))
# clipping
a=torch.nn.Parameter(torch.randn(4,3)); b=torch.nn.Parameter(torch.randn(5))
clip=[]
for mx in (0.5,1000.):
    ga,gb=torch.randn(4,3)*3,torch.randn(5)
    a.grad,b.grad=ga.clone(),gb.clone()
    nrm=torch.nn.utils.clip_grad_norm_([a,b],mx)
    clip.append(dict(maximum=mx,a=ga.flatten().tolist(),b=gb.tolist(),norm=float(nrm),clippedA=a.grad.flatten().tolist(),clippedB=b.grad.tolist()))
json.dump(dict(torch=torch.__version__,optimizers=out,clipping=clip),open('optimizers.json','w'),separators=(',',':'))
