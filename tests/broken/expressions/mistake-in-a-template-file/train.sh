set -e
python train.py --steps {{ var.step }}
